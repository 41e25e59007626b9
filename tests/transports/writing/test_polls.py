"""Polls that wait, with connections that are lists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from streamlanes.contract.sources import Fed, sources
from streamlanes.producers.events import After, Item
from streamlanes.producers.log.event_log import Batch
from streamlanes.producers.log.memory import MemoryLog
from streamlanes.transports.framing import poll_body, poll_events
from streamlanes.transports.service.connection import Connection
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.service.sessions import Session
from streamlanes.transports.service.settings import Settings
from streamlanes.transports.writing.polls import Polls, Question, WaitingPoll


class Answered:
    """A poll's connection."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.status = 0
        self.aborted = False
        self.breaks = False

    def answer(self, body: bytes, *, status: int = 200, media_type: str | None = None) -> None:
        if self.breaks:
            raise RuntimeError("the transport is closed")
        self.bodies.append(body)
        self.status = status

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
async def service(fed: Fed, log: MemoryLog) -> AsyncIterator[StreamService]:
    async with (
        asyncio.timeout(20),
        StreamService(producers=sources(fed), log=log, settings=Settings(retain_events=8)) as running,
    ):
        yield running


class Hall:
    """A lane's polls."""

    def __init__(self, service: StreamService) -> None:
        self.service = service
        self.made = 0
        self.polls = Polls(service, service.metrics.lane("poll"), lambda _: None, self.body)

    def body(self, _: str, batch: Batch) -> bytes:
        self.made += 1
        return poll_body(poll_events(batch.cursor.epoch, batch.events), batch)

    async def wait(self, stream: str, after: After = "start", *, seconds: float = 10, limit: int = 256) -> Answered:
        answered = Answered()

        async def unused(_: object) -> None:
            raise AssertionError

        empty = await self.service.read(stream, after, limit=limit, max_bytes=1 << 20, wait=0)
        assert not empty.events
        connection = Connection({}, unused, lambda _: None)
        poll = WaitingPoll(answered, connection, Question(after, seconds, limit, 1 << 20), empty)  # type: ignore[arg-type]
        self.polls._wait(stream, poll, seconds)
        return answered


@pytest.fixture
def hall(service: StreamService) -> Hall:
    return Hall(service)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


async def test_all_at_one_place_get_the_same_and_it_is_made_once(
    hall: Hall, service: StreamService, session: Session
) -> None:
    waiting = [await hall.wait(session.id) for _ in range(50)]
    few = [await hall.wait(session.id, limit=1) for _ in range(5)]
    await service.append(session.id, [Item(1), Item(2)])
    await until(lambda: all(one.bodies for one in [*waiting, *few]))
    assert len({body for one in waiting for body in one.bodies}) == 1
    assert {body.count(b'"id"') for one in waiting for body in one.bodies} == {2}
    assert {body.count(b'"id"') for one in few for body in one.bodies} == {1}
    assert hall.made == 2
    await until(lambda: not hall.polls._waiting)
    assert not service.timers._slots


async def test_one_that_cannot_be_answered_is_no_others_matter(
    hall: Hall, service: StreamService, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = [await hall.wait(session.id) for _ in range(5)]
    waiting[2].breaks = True
    await service.append(session.id, [Item(1)])
    await until(lambda: all(one.bodies for n, one in enumerate(waiting) if n != 2))
    assert waiting[2].aborted
    assert len(caplog.records) == 1


async def test_the_time_is_over_for_each_by_itself(hall: Hall, session: Session) -> None:
    waiting = [await hall.wait(session.id, seconds=seconds) for seconds in (0.05, 10)]
    await until(lambda: bool(waiting[0].bodies))
    assert b'"events":[]' in waiting[0].bodies[0]
    assert not waiting[1].bodies


@pytest.mark.parametrize("after", ["start", "now"])
async def test_who_named_no_place_goes_on_where_the_stream_does(
    hall: Hall, service: StreamService, session: Session, log: MemoryLog, after: After
) -> None:
    """The events that woke it are gone before it is its turn; the next ones are its answer."""
    answered = await hall.wait(session.id, after)
    await asyncio.sleep(0)
    await service.append(session.id, [Item(1)])
    stream = log._streams[session.id]
    stream._dropped = len(stream._events)  # as their age would have it
    for _ in range(20):
        await asyncio.sleep(0)
    assert not answered.bodies
    await service.append(session.id, [Item(2)])
    await until(lambda: bool(answered.bodies))
    assert answered.bodies[0].count(b'"id"') == 1
    assert b":2" in answered.bodies[0]


async def test_who_named_a_place_is_told_that_it_is_gone(hall: Hall, service: StreamService, session: Session) -> None:
    answered = await hall.wait(session.id, session.cursor)
    await asyncio.sleep(0)
    await service.append(session.id, [Item(n) for n in range(20)])
    await until(lambda: bool(answered.bodies))
    assert answered.status == 410
    assert b'"missing":12' in answered.bodies[0]
