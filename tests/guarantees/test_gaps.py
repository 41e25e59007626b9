"""What a reader can no longer get is told to it exactly, and it goes on only if it was asked to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest

from streamlanes.clients import EventStream, Options
from streamlanes.clients.options import OnGap
from streamlanes.producers.errors import CursorExpired
from streamlanes.producers.events import After, Cursor, Item, Outcome
from streamlanes.producers.log.event_log import Retention
from streamlanes.producers.wire import LONG_POLL
from streamlanes.transports import Settings
from streamlanes.transports.service.sessions import Session
from tests.guarantees.world import CLIENTS, LANES, World, world

KEPT = 10


@pytest.fixture(params=LANES)
def lane(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    with world(Settings(retain_events=KEPT, session_ttl=3600)) as made:
        yield made


@pytest.fixture
def here(shared: World) -> Iterator[World]:
    yield shared
    shared.calm()


def connect(here: World, lane: str, session: Session, on_gap: OnGap, after: After = "start") -> EventStream:
    options = Options(first_delay=0.001, max_delay=0.002, attempts=1000, on_gap=on_gap)
    return CLIENTS[lane].connect(f"{here.relays[lane].url}/{lane}/{session.id}", after=after, options=options)


async def started(here: World, count: int = 0, *, end: bool = False) -> Session:
    session = await here.service.start("told", {})
    await append(here, session, count)
    if end:
        here.service.send(session.id, "complete")
    return session


async def append(here: World, session: Session, count: int) -> None:
    if count:
        await here.service.append(session.id, [Item(n) for n in range(count)])


def facts(gap: CursorExpired) -> tuple[Cursor, Cursor, int | None]:
    return gap.after, gap.oldest, gap.missing


@pytest.mark.parametrize(
    ("epoch", "offset", "missing"), [(None, 3, 12), (None, 14, 1), (None, 26, None), ("other", 20, None)]
)
def test_on_connecting(here: World, lane: str, epoch: str | None, offset: int, missing: int | None) -> None:
    async def read() -> None:
        session = await started(here, 25, end=True)
        after = Cursor(epoch or session.cursor.epoch, offset)
        oldest = session.cursor._replace(offset=15)
        with pytest.raises(CursorExpired) as caught:
            async with connect(here, lane, session, "raise", after):
                pytest.fail("it was entered")
        assert facts(caught.value) == (after, oldest, missing)
        told: list[CursorExpired] = []
        async with connect(here, lane, session, told.append, after) as stream:
            assert [facts(gap) for gap in told] == [(after, oldest, missing)]
            assert stream.cursor == oldest
            assert [event.offset async for event in stream] == list(range(16, 26))
        assert (list(stream.gaps), stream.outcome, stream.reconnects) == (told, Outcome.COMPLETED, 0)

    here.run(read())


@pytest.mark.parametrize("offset", [15, 25])
def test_what_is_still_held_is_no_gap(here: World, lane: str, offset: int) -> None:
    async def read() -> None:
        session = await started(here, 25, end=True)
        async with connect(here, lane, session, "raise", session.cursor._replace(offset=offset)) as stream:
            assert [event.offset async for event in stream] == list(range(offset + 1, 26))

    here.run(read())


@pytest.mark.parametrize("on_gap", ["raise", "function"])
def test_in_mid_stream(here: World, lane: str, on_gap: str) -> None:
    async def read() -> None:
        session = await started(here, 1)
        told: list[CursorExpired] = []
        async with connect(here, lane, session, told.append if on_gap == "function" else "raise") as stream:
            assert (await anext(stream)).offset == 1
            await append(here, session, 24)  # at once, while the reader waits
            here.service.send(session.id, "complete")
            if on_gap == "raise":
                with pytest.raises(CursorExpired) as caught:
                    await anext(stream)
                assert stream.cursor == session.cursor._replace(offset=1)
                told = [caught.value]
                with pytest.raises(CursorExpired):  # it doesn't go away by asking again
                    await anext(stream)
                assert not stream.gaps
            else:
                assert [event.offset async for event in stream] == list(range(16, 26))
                assert list(stream.gaps) == told
                assert stream.reconnects == (1 if CLIENTS[lane].wire == LONG_POLL else 0)
        at = session.cursor._replace
        assert [facts(gap) for gap in told] == [(at(offset=1), at(offset=15), 14)]

    here.run(read())


def test_while_the_connection_was_lost(here: World, lane: str) -> None:
    async def read() -> None:
        session = await started(here, 5)
        told: list[CursorExpired] = []
        async with connect(here, lane, session, told.append) as stream:
            assert [(await anext(stream)).offset for _ in range(5)] == [1, 2, 3, 4, 5]
            relay = here.relays[lane]
            relay.refusing = True
            relay.reset()
            await append(here, session, 12)
            relay.refusing = False
            here.service.send(session.id, "complete")
            assert [event.offset async for event in stream] == list(range(8, 18))
        at = session.cursor._replace
        assert [facts(gap) for gap in told] == [(at(offset=5), at(offset=7), 2)]

    here.run(read())


def test_while_the_stream_began_anew(here: World, lane: str) -> None:
    """The new incarnation is longer than the old one; its events are others all the same."""

    async def read() -> None:
        session = await started(here, 5)
        told: list[CursorExpired] = []
        async with connect(here, lane, session, told.append) as stream:
            assert [(await anext(stream)).offset for _ in range(5)] == [1, 2, 3, 4, 5]
            here.relays[lane].refusing = True
            here.relays[lane].reset()
            reading = asyncio.create_task(anext(stream))
            refused = here.relays[lane].counts.refused
            await here.until(lambda: here.relays[lane].counts.refused > refused)
            anew = await here.log.create(session.id, Retention(max_events=KEPT))
            await append(here, session, 8)
            here.relays[lane].refusing = False
            here.service.send(session.id, "complete")
            assert (await reading).offset == 1
            assert [event.offset async for event in stream] == [2, 3, 4, 5, 6, 7, 8]
            assert stream.cursor == anew._replace(offset=8)
        assert [facts(gap) for gap in told] == [(session.cursor._replace(offset=5), anew, None)]

    here.run(read())


def test_a_gap_whose_telling_failed_is_told_again(here: World, lane: str) -> None:
    told: list[CursorExpired] = []

    def tell(gap: CursorExpired) -> None:
        told.append(gap)
        if len(told) == 1:
            raise RuntimeError("the database is away")

    async def read() -> None:
        session = await started(here, 1)
        async with connect(here, lane, session, tell) as stream:
            await anext(stream)
            await append(here, session, 24)
            here.service.send(session.id, "complete")
            with pytest.raises(RuntimeError, match="database"):
                await anext(stream)
            assert stream.cursor == session.cursor._replace(offset=1)
            assert [event.offset async for event in stream] == list(range(16, 26))
        assert facts(told[0]) == facts(told[1])
        assert len(told) == 2

    here.run(read())


def test_skipping_is_logged(here: World, lane: str, caplog: pytest.LogCaptureFixture) -> None:
    async def read() -> None:
        session = await started(here, 25, end=True)
        async with connect(here, lane, session, "skip", session.cursor) as stream:
            assert [event.offset async for event in stream] == list(range(16, 26))
        assert [gap.missing for gap in stream.gaps] == [15]

    with caplog.at_level(logging.WARNING, "streamlanes.clients"):
        here.run(read())
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "15 events missing" in caplog.text
