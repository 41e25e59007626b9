from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from streamlanes.contract.sources import Fed, sources
from streamlanes.producers.errors import CursorExpired
from streamlanes.producers.events import Item
from streamlanes.producers.log.memory import MemoryLog
from streamlanes.transports.follow import StreamingLane
from streamlanes.transports.framing import NDJSONFraming
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.service.sessions import Session
from streamlanes.transports.service.settings import Settings

HEARTBEAT = 0.2
"""Seconds; short, since these tests wait for it."""


@asynccontextmanager
async def followed(
    service: StreamService, stream: str, *, gap: CursorExpired | None = None
) -> AsyncIterator[AsyncGenerator[bytes, None]]:
    lane = StreamingLane(service, "test", NDJSONFraming(), jitter=lambda low, _: low)
    follower = lane.follow(stream, await lane.open(stream, "start"), gap=gap)
    async with asyncio.timeout(10), aclosing(follower.frames()) as frames:
        yield frames


async def names(frames: AsyncGenerator[bytes, None], count: int) -> list[str]:
    """Return what the next *count* values say: the control's name, or each event's data."""
    said: list[str] = []
    for _ in range(count):
        messages = [json.loads(line) for line in (await anext(frames)).splitlines()]
        said.append(" ".join(str(message.get("control", message.get("data"))) for message in messages))
    return said


@pytest.fixture
def fed() -> Fed:
    return Fed()


@pytest.fixture
async def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
async def service(fed: Fed, log: MemoryLog) -> AsyncIterator[StreamService]:
    async with StreamService(
        producers=sources(fed), log=log, settings=Settings(retain_events=4, heartbeat=HEARTBEAT)
    ) as running:
        yield running


@pytest.fixture
async def session(service: StreamService) -> Session:
    return await service.start("fed", {})


async def test_silence_is_broken_by_pings_the_first_one_jittered(service: StreamService, session: Session) -> None:
    loop = asyncio.get_running_loop()
    async with followed(service, session.id) as frames:
        assert await names(frames, 1) == ["open"]
        begin = loop.time()
        assert await names(frames, 1) == ["ping"]
        assert HEARTBEAT / 2 <= loop.time() - begin < HEARTBEAT
        assert await names(frames, 1) == ["ping"]
        assert loop.time() - begin >= HEARTBEAT * 1.5


async def test_what_is_pending_together_comes_together(
    service: StreamService, session: Session, log: MemoryLog
) -> None:
    async with followed(service, session.id) as frames:
        assert await names(frames, 1) == ["open"]
        await log.append(session.id, [Item(1), Item(2)])
        await log.append(session.id, [Item(3)])
        assert await names(frames, 1) == ["1 2 3"]


async def test_a_reader_that_fell_behind_is_told_and_goes_on(
    service: StreamService, session: Session, log: MemoryLog, fed: Fed
) -> None:
    async with followed(service, session.id) as frames:
        assert await names(frames, 1) == ["open"]
        await log.append(session.id, [Item(n) for n in range(1, 11)])
        gap = json.loads(await anext(frames))
        epoch = session.cursor.epoch
        assert gap == {"control": "gap", "after": f"{epoch}:0", "next": f"{epoch}:6", "missing": 6}
        assert await names(frames, 1) == ["7 8 9 10"]
        fed.queue.put_nowait(None)
        assert await names(frames, 1) == ["end"]
        assert await anext(frames, None) is None


async def test_a_gap_before_the_first_event_follows_open(service: StreamService, session: Session) -> None:
    expired = CursorExpired(session.cursor, oldest=session.cursor, head=session.cursor, missing=None)
    async with followed(service, session.id, gap=expired) as frames:
        assert await names(frames, 2) == ["open", "gap"]


async def test_a_stream_that_is_removed_ends_without_an_end(
    service: StreamService, session: Session, log: MemoryLog
) -> None:
    async with followed(service, session.id) as frames:
        assert await names(frames, 1) == ["open"]
        await service.delete(session.id)
        del log._streams[session.id]  # as its tombstone does after a minute
        assert await anext(frames, None) is None
