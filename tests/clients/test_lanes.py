"""Every client against a real server of its wire: reconnecting, resuming, refusals, silence, and leaving."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from streamlanes import clients
from streamlanes.clients import EventStream, LongPollClient, Options
from streamlanes.clients.messages import Ended, Gap, Message, Opened, Ping
from streamlanes.producers.errors import (
    CursorExpired,
    ProtocolViolation,
    RequestRejected,
    StreamError,
    StreamFailed,
    StreamLost,
    StreamOrphaned,
    UnknownStream,
)
from streamlanes.producers.events import After, Event, Outcome
from streamlanes.producers.wire import LONG_POLL, NDJSON, SSE, WEBSOCKET, Wire
from tests.clients.peers import WIRES, Peer, Step, as_message, at, numbered, peer

OPEN = Opened(at(0), 15)
CLIENTS = clients.discover()
EVENTS = numbered(5)


@dataclass
class Naps:
    """Sleeps not at all, and remembers for how long."""

    delays: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.delays.append(seconds)


@pytest.fixture(params=WIRES)
def wire(request: pytest.FixtureRequest) -> Wire:
    found: Wire = request.param
    return found


@pytest.fixture
def naps() -> Naps:
    return Naps()


def connect(server: Peer, wire: Wire, naps: Naps, after: After = "start", **changes: float) -> EventStream:
    options = Options(
        sleep=naps.sleep,
        rng=lambda: 0.5,
        attempts=int(changes.get("attempts", 4)),
        open_timeout=changes.get("open_timeout", 10),
        grace=changes.get("grace", 10),
        headers={"X-Reader": "me"},
    )
    return CLIENTS[wire].connect(server.url, after=after, options=options)


async def test_reads_a_stream_to_its_end(wire: Wire, naps: Naps) -> None:
    async with peer(wire, EVENTS) as server, connect(server, wire, naps) as stream:
        assert stream.cursor == at(0)
        assert [event async for event in stream] == EVENTS
        assert (stream.cursor, stream.outcome, stream.reconnects) == (at(5), Outcome.COMPLETED, 0)
        assert [event async for event in stream] == []
    assert server.asked[0]["after"] == "start"
    assert all("x-reader: me" in head.lower() for head in server.heads)


async def test_reads_on_from_a_cursor_and_from_now(wire: Wire, naps: Naps) -> None:
    async with peer(wire, EVENTS) as server:
        async with connect(server, wire, naps, at(3)) as stream:
            assert [event.offset async for event in stream] == [4, 5]
        async with connect(server, wire, naps, "now") as stream:
            assert stream.cursor == at(5)
            assert [event async for event in stream] == []


async def test_a_cut_anywhere_loses_nothing_and_repeats_nothing(wire: Wire, naps: Naps) -> None:
    events = numbered(2)
    cuts = range(4) if wire == WEBSOCKET else range(0, 260, 3)
    for cut in cuts:
        async with peer(wire, events, Step(cut=cut)) as server, connect(server, wire, naps) as stream:
            assert [event async for event in stream] == events
        assert server.connections <= 2


async def test_a_close_without_end_is_a_cut(wire: Wire, naps: Naps) -> None:
    step = Step(messages=[OPEN, *map(as_message, EVENTS[:2])])
    async with peer(wire, EVENTS, step) as server, connect(server, wire, naps) as stream:
        assert [event async for event in stream] == EVENTS
        assert stream.reconnects == 1
        assert server.asked[-1]["after"] in {"k3f9a2:2", "k3f9a2:5"}  # a poll asks once more behind its first answer
    assert naps.delays == [0.25]


async def test_delays_double_until_there_is_progress(wire: Wire, naps: Naps) -> None:
    down = Step(status=502)
    one = Step(messages=[OPEN, as_message(EVENTS[0])])
    async with (
        peer(wire, EVENTS, down, down, down, one, down) as server,
        connect(server, wire, naps) as stream,
    ):
        assert [event async for event in stream] == EVENTS
        assert stream.reconnects == 1
    assert naps.delays == [0.25, 0.5, 1.0, 0.25, 0.5]


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_respected(wire: Wire, naps: Naps, status: int) -> None:
    refusal = Step(status=status, headers={"Retry-After": "3"})
    async with peer(wire, EVENTS, refusal) as server, connect(server, wire, naps) as stream:
        assert [event async for event in stream] == EVENTS
    assert naps.delays == [3.25]


@pytest.mark.parametrize(
    ("status", "fields", "error"),
    [
        (404, {"detail": "no such stream"}, UnknownStream),
        (422, {"detail": "after: mend it"}, RequestRejected),
        (403, {"detail": "not from there"}, RequestRejected),
        (410, {"oldest": "k3f9a2:3", "head": "k3f9a2:5", "missing": 2}, CursorExpired),
    ],
)
async def test_a_refusal_is_raised_on_entering(
    wire: Wire, naps: Naps, status: int, fields: dict[str, str | int], error: type[StreamError]
) -> None:
    async with peer(wire, EVENTS, Step(status=status, fields=fields)) as server:
        with pytest.raises(error) as caught:
            async with connect(server, wire, naps, at(1)):
                pytest.fail("it was entered")
        assert str(fields.get("detail", "k3f9a2:3")) in str(caught.value)
        await server.left()
    assert naps.delays == []


async def test_gives_up_and_can_be_asked_again(wire: Wire, naps: Naps) -> None:
    one = Step(messages=[OPEN, as_message(EVENTS[0])])
    only_open = Step(messages=[Opened(at(1), 15)])
    async with (
        peer(wire, EVENTS, one, only_open, only_open, only_open) as server,
        connect(server, wire, naps) as stream,
    ):
        with pytest.raises(StreamLost, match="k3f9a2:1"):
            assert [event async for event in stream] == []
        assert stream.cursor == at(1)
        assert [event.offset async for event in stream] == [2, 3, 4, 5]
    assert len(naps.delays) == 3


async def test_nobody_listens(wire: Wire, naps: Naps) -> None:
    async with peer(wire, EVENTS) as server:
        pass
    with pytest.raises(StreamLost):
        async with connect(server, wire, naps):
            pytest.fail("it was entered")
    assert naps.delays == [0.25, 0.5, 1.0]


@pytest.mark.parametrize("wire", [SSE, WEBSOCKET, NDJSON])
async def test_silence_is_a_cut(wire: Wire, naps: Naps) -> None:
    step = Step(messages=[Opened(at(0), 0.02), as_message(EVENTS[0])], silent=True)
    async with (
        peer(wire, EVENTS, Step(messages=[], silent=True), step) as server,
        connect(server, wire, naps, open_timeout=0.2, grace=0.02) as stream,
    ):
        assert [event async for event in stream] == EVENTS
    assert server.connections == 3


async def test_a_poll_without_an_answer_is_cut(naps: Naps) -> None:
    step = Step(messages=[OPEN, as_message(EVENTS[0])], silent=True)
    options = Options(sleep=naps.sleep, grace=0.02)
    async with (
        peer(LONG_POLL, EVENTS, step) as server,
        LongPollClient().connect(server.url, options=options, wait=0.02, limit=2) as stream,
    ):
        assert [event async for event in stream] == EVENTS
    assert [(asked["after"], asked["wait"]) for asked in server.asked] == [
        ("start", "0"),
        ("k3f9a2:1", "0.02"),
        ("k3f9a2:1", "0"),
        ("k3f9a2:3", "0.02"),
    ]
    assert server.connections == 2  # kept alive between the polls
    assert server.asked[0]["limit"] == "2"


async def test_a_repeated_event_is_a_violation(wire: Wire, naps: Naps) -> None:
    step = Step(messages=[OPEN, *map(as_message, [EVENTS[0], EVENTS[0]])])
    async with peer(wire, EVENTS, step) as server, connect(server, wire, naps) as stream:
        assert await anext(stream) == EVENTS[0]
        with pytest.raises(ProtocolViolation):
            await anext(stream)
        await server.left()


@pytest.mark.parametrize("wire", [SSE, WEBSOCKET, NDJSON])
async def test_a_gap_is_told_and_pings_are_not(wire: Wire, naps: Naps) -> None:
    step = Step(messages=[OPEN, Ping(), as_message(EVENTS[0]), Ping(), Gap(at(1), at(4), 3)])
    async with peer(wire, EVENTS, step) as server, connect(server, wire, naps) as stream:
        assert await anext(stream) == EVENTS[0]
        with pytest.raises(CursorExpired, match="3 events") as caught:
            await anext(stream)
        assert (caught.value.oldest, stream.cursor) == (at(4), at(1))
        await server.left()
        async with connect(server, wire, naps, caught.value.oldest) as rest:
            assert [event async for event in rest] == EVENTS[4:]


async def test_a_place_that_a_refusal_told_is_not_asked_for(wire: Wire, naps: Naps) -> None:
    """On a fast stream it is gone by the next request, so that a reader would never catch up."""
    refused = Step(status=410, fields={"oldest": "k3f9a2:2", "head": "k3f9a2:3", "missing": 1})
    opened: list[Message] = [Opened(at(3), 15), *map(as_message, EVENTS[3:]), Ended(Outcome.COMPLETED)]
    told: list[CursorExpired] = []
    options = Options(sleep=naps.sleep, rng=lambda: 0.5, on_gap=told.append)
    steps = [refused, Step(messages=[OPEN], cut=0), Step(messages=opened)]
    async with peer(wire, EVENTS, *steps) as server:
        async with CLIENTS[wire].connect(server.url, after=at(1), options=options) as stream:
            assert [(gap.after, gap.oldest, gap.head, gap.missing) for gap in told] == [(at(1), at(3), at(3), 2)]
            assert [event async for event in stream] == EVENTS[3:]
        assert [query["after"] for query in server.asked[:3]] == ["k3f9a2:1", "start", "start"]
    assert (list(stream.gaps), naps.delays) == (told, [0.25])


async def test_a_server_that_names_the_place_it_has_lost_is_wrong(wire: Wire, naps: Naps) -> None:
    step = Step(status=410, fields={"oldest": "k3f9a2:1", "head": "k3f9a2:5", "missing": 0})
    async with peer(wire, EVENTS, step) as server:
        stream = CLIENTS[wire].connect(server.url, after=at(1), options=Options(on_gap="skip"))
        with pytest.raises(ProtocolViolation, match="can't go on"):
            await stream.__aenter__()
        await server.left()


@pytest.mark.parametrize(("outcome", "error"), [(Outcome.FAILED, StreamFailed), (Outcome.ORPHANED, StreamOrphaned)])
async def test_an_early_end_comes_after_the_events(
    wire: Wire, naps: Naps, outcome: Outcome, error: type[StreamError]
) -> None:
    step = Step(messages=[OPEN, *map(as_message, EVENTS), Ended(outcome)])
    async with peer(wire, EVENTS, step) as server, connect(server, wire, naps) as stream:
        assert [await anext(stream) for _ in EVENTS] == EVENTS
        with pytest.raises(error):
            await anext(stream)
        assert (stream.cursor, stream.outcome) == (at(5), None)
        await server.left()


async def test_a_stream_that_was_deleted_ends(wire: Wire, naps: Naps) -> None:
    step = Step(messages=[OPEN, Ended(Outcome.DELETED)])
    async with peer(wire, EVENTS, step) as server, connect(server, wire, naps) as stream:
        assert [event async for event in stream] == []
        assert stream.outcome is Outcome.DELETED


async def test_an_event_whose_processing_broke_off_comes_again(wire: Wire, naps: Naps) -> None:
    async with peer(wire, EVENTS) as server:
        async with connect(server, wire, naps) as stream:
            async for event in stream:
                if event.offset == 3:
                    break
        await server.left()
        cursor = stream.cursor
        assert cursor == at(2)
        with pytest.raises(RuntimeError, match="connect again"):
            await anext(stream)
        async with connect(server, wire, naps, cursor) as stream:
            assert [event.offset async for event in stream] == [3, 4, 5]


async def cancelled_by_time(reading: Awaitable[Event]) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await reading


async def cancelled_from_outside(reading: Awaitable[Event]) -> None:
    async def read() -> None:
        await reading

    task = asyncio.create_task(read())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("cancelled", [cancelled_by_time, cancelled_from_outside])
async def test_a_cancelled_read_takes_nothing_away(
    wire: Wire, naps: Naps, cancelled: Callable[[Awaitable[Event]], Awaitable[None]]
) -> None:
    step = Step(messages=[OPEN, as_message(EVENTS[0])], silent=True)
    async with peer(wire, EVENTS, step) as server, connect(server, wire, naps) as stream:
        assert await anext(stream) == EVENTS[0]
        await cancelled(anext(stream))
        await server.left()
        assert stream.cursor == at(1)
        assert [event async for event in stream] == EVENTS[1:]
    assert naps.delays == []


async def test_leaving_closes_the_connection_and_leaves_no_task(wire: Wire, naps: Naps) -> None:
    step = Step(messages=[OPEN, *map(as_message, EVENTS)], silent=True)
    async with peer(wire, EVENTS, step) as server:
        before = asyncio.all_tasks()
        async with connect(server, wire, naps) as stream:
            assert await anext(stream) == EVENTS[0]
        await server.left()
        assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()


async def test_an_answer_of_another_kind_is_told(naps: Naps) -> None:
    async with peer(LONG_POLL, EVENTS) as server:
        for wire in (SSE, NDJSON):
            with pytest.raises(ProtocolViolation, match=r"application/json.*streamlanes"):
                async with connect(server, wire, naps):
                    pytest.fail("it was entered")
