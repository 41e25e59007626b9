"""The browser's client against servers with faults on order: cuts, refusals, silence, and what isn't the wire."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from streamlanes.clients.messages import Ended, Gap, Message, Opened, Ping
from streamlanes.producers.errors import (
    CursorExpired,
    ProtocolViolation,
    RequestRejected,
    StreamError,
    StreamFailed,
    StreamLost,
    UnknownStream,
)
from streamlanes.producers.events import JSON, Event, Outcome
from streamlanes.producers.wire import LONG_POLL, NDJSON, SSE, WEBSOCKET, Wire
from tests.browser.driver import BrowserStream, Read, read
from tests.browser.peers import peer
from tests.clients.peers import WIRES, Peer, Step, as_message, at, numbered

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPEN = Opened(at(0), 15)
EVENTS = numbered(5)
STREAMING = [SSE, WEBSOCKET, NDJSON]
HTTP = [SSE, LONG_POLL, NDJSON]


@pytest.fixture(params=WIRES)
def wire(request: pytest.FixtureRequest) -> Wire:
    found: Wire = request.param
    return found


def chosen(wire: Wire, **options: object) -> dict[str, object]:
    """The test's options: half of the bounds 0.01, 0.02, … s as delays."""
    return {"lane": "x", "wires": {"x": wire}, "firstDelay": 0.01, "attempts": 4, **options}


async def read_all(page: Page, server: Peer, wire: Wire, **options: object) -> Read:
    found = await read(page, server.url, **chosen(wire, **options))
    assert found.error is None
    return found


async def test_reads_a_stream_to_its_end(page: Page, origin: str, wire: Wire) -> None:
    async with peer(origin, wire, EVENTS) as server:
        found = await read_all(page, server, wire)
    assert found.events == EVENTS
    assert (found.cursor, found.outcome, found.reconnects, found.requests) == (
        "k3f9a2:5", Outcome.COMPLETED, 0, 1,
    )  # fmt: skip
    assert found.states == ["connecting x", "open x", "ended x"]


async def test_a_cut_anywhere_loses_nothing_and_repeats_nothing(page: Page, origin: str, wire: Wire) -> None:
    events = numbered(2)
    cuts = range(4) if wire == WEBSOCKET else range(0, 260, 7)
    for cut in cuts:
        async with peer(origin, wire, events, Step(cut=cut)) as server:
            found = await read_all(page, server, wire)
            assert found.events == events
            assert server.connections <= 2


@pytest.mark.parametrize("wire", [SSE, NDJSON])
async def test_half_an_event_is_none_where_a_proxy_has_ended_the_response_well(
    page: Page, origin: str, wire: Wire
) -> None:
    events = [Event(1, "message", "1234567"), Event(2, "tick", '"é\u2028 data: 1"')]
    for cut in range(1, 250, 7):
        async with peer(origin, wire, events, Step(cut=cut, whole=True)) as server:
            found = await read_all(page, server, wire)
            assert found.events == events
            assert server.connections <= 2


@pytest.mark.parametrize("wire", STREAMING)
async def test_a_close_without_end_is_a_cut(page: Page, origin: str, wire: Wire) -> None:
    step = Step(messages=[OPEN, *map(as_message, EVENTS[:2])])
    async with peer(origin, wire, EVENTS, step) as server:
        found = await read_all(page, server, wire)
        assert [asked["after"] for asked in server.asked] == ["start", "k3f9a2:2"]
    assert found.events == EVENTS
    assert (found.delays, found.reconnects) == ([0.005], 1)
    assert found.states == ["connecting x", "open x", "waiting x", "connecting x", "open x", "ended x"]


@pytest.mark.parametrize("wire", STREAMING)  # a browser asks by itself again where a kept connection was closed
async def test_delays_double_until_there_is_progress(page: Page, origin: str, wire: Wire) -> None:
    down = Step(status=502)
    one = Step(messages=[OPEN, as_message(EVENTS[0])])
    async with peer(origin, wire, EVENTS, down, down, down, one, down) as server:
        found = await read_all(page, server, wire)
    assert found.events == EVENTS
    assert found.delays == [0.005, 0.01, 0.02, 0.005, 0.01]


@pytest.mark.parametrize("wire", HTTP)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_respected(page: Page, origin: str, wire: Wire, status: int) -> None:
    refusal = Step(status=status, headers={"Retry-After": "0.05"}, fields={"detail": "too many readers"})
    async with peer(origin, wire, EVENTS, refusal) as server:
        found = await read_all(page, server, wire)
    assert found.events == EVENTS
    assert found.delays == [0.055]
    assert found.statuses[1]["reason"] == "too many readers"


@pytest.mark.parametrize("wire", HTTP)
@pytest.mark.parametrize("status", [408, 425])
async def test_too_late_or_too_early_is_a_cut(page: Page, origin: str, wire: Wire, status: int) -> None:
    async with peer(origin, wire, EVENTS, Step(status=status, fields={"detail": "not now"})) as server:
        found = await read_all(page, server, wire)
    assert found.events == EVENTS
    assert {status["reason"] for status in found.statuses if status["state"] == "waiting"} <= {"not now"}


@pytest.mark.parametrize("status", [429, 503])
async def test_a_refused_handshake_is_tried_again(page: Page, origin: str, status: int) -> None:
    """Why it was, and for how long, no browser tells."""
    refusal = Step(status=status, headers={"Retry-After": "3"})
    async with peer(origin, WEBSOCKET, EVENTS, refusal) as server:
        found = await read_all(page, server, WEBSOCKET)
    assert (found.events, found.delays) == (EVENTS, [0.005])


REFUSALS: dict[int, tuple[dict[str, JSON], type[StreamError]]] = {
    404: ({"detail": "no such stream"}, UnknownStream),
    422: ({"detail": "mend it", "errors": [{"field": "after", "message": "no cursor"}]}, RequestRejected),
    403: ({"detail": "not from there"}, RequestRejected),
    421: ({"detail": "no such host here"}, RequestRejected),
    410: ({"oldest": "k3f9a2:3", "head": "k3f9a2:5", "missing": 2}, CursorExpired),
}


@pytest.mark.parametrize("status", REFUSALS)
async def test_a_refusal_is_thrown(page: Page, origin: str, wire: Wire, status: int) -> None:
    fields, kind = REFUSALS[status]
    code = 4403 if wire == WEBSOCKET and status in {403, 421} else status
    step = Step(status=code, fields=fields)
    steps = [step, step] if code == 421 else [step]  # which Chromium asks for again, by itself (RFC 9110 §15.5.20)
    async with peer(origin, wire, EVENTS, *steps) as server:
        found = await read(page, server.url, **chosen(wire, after="k3f9a2:1"))
    assert type(found.error) is kind
    assert str(fields.get("detail", "k3f9a2:3")) in str(found.error)
    assert found.cursor == "k3f9a2:1"
    assert found.states == ["connecting x", "failed x"]
    if isinstance(found.error, CursorExpired):
        gap = found.error
        assert (gap.after, gap.oldest, gap.head, gap.missing) == (at(1), at(3), at(5), 2)
    if status == 422 and wire != WEBSOCKET:
        assert str(found.error) == "mend it; after: no cursor"
    if code == 421:
        assert "STREAMLANES_ALLOWED_HOSTS" in str(found.error)


async def test_gives_up_and_can_be_asked_again(page: Page, origin: str, wire: Wire) -> None:
    one = Step(messages=[OPEN, as_message(EVENTS[0])])
    down = Step(status=502)
    async with (
        peer(origin, wire, EVENTS, one, down, down, down, down) as server,
        BrowserStream(page, server.url, chosen(wire)) as stream,
    ):
        assert await stream.collect(1) == EVENTS[:1]
        with pytest.raises(StreamLost, match="k3f9a2:1"):
            await stream.collect()
        assert stream.cursor == at(1)
        assert await stream.collect() == EVENTS[1:]


async def test_nobody_listens(page: Page, origin: str, wire: Wire) -> None:
    async with peer(origin, wire, EVENTS) as server:
        pass
    found = await read(page, server.url, **chosen(wire))
    assert isinstance(found.error, StreamLost)
    assert found.delays == [0.005, 0.01, 0.02]


@pytest.mark.parametrize("wire", STREAMING)
async def test_silence_is_a_cut(page: Page, origin: str, wire: Wire) -> None:
    step = Step(messages=[Opened(at(0), 0.02), as_message(EVENTS[0])], silent=True)
    async with peer(origin, wire, EVENTS, Step(messages=[], silent=True), step) as server:
        found = await read_all(page, server, wire, openTimeout=0.2, grace=0.03)
        assert server.connections == 3
    assert found.events == EVENTS
    reasons = [status["reason"] for status in found.statuses if status["state"] == "waiting"]
    assert reasons == ["nothing came for 0.2 s", "nothing came for 0.05 s"]


async def test_a_poll_without_an_answer_is_cut(page: Page, origin: str) -> None:
    step = Step(messages=[OPEN, as_message(EVENTS[0])], silent=True)
    async with peer(origin, LONG_POLL, EVENTS, step) as server:
        found = await read(page, f"{server.url}?wait=0.03&limit=2", **chosen(LONG_POLL, grace=0.03))
        asked = [(each["after"], each["wait"], each["limit"]) for each in server.asked]
    assert found.events == EVENTS
    assert asked == [
        ("start", "0", "2"),
        ("k3f9a2:1", "0.03", "2"),
        ("k3f9a2:1", "0", "2"),
        ("k3f9a2:3", "0.03", "2"),
    ]


async def test_a_repeated_event_is_a_violation(page: Page, origin: str, wire: Wire) -> None:
    step = Step(messages=[OPEN, *map(as_message, [EVENTS[0], EVENTS[0]])])
    async with peer(origin, wire, EVENTS, step) as server, BrowserStream(page, server.url, chosen(wire)) as stream:
        if wire != LONG_POLL:  # whose answer is read as a whole
            assert await stream.collect(1) == EVENTS[:1]
        with pytest.raises(ProtocolViolation, match="1 came where k3f9a2:2 was due"):
            await stream.collect(2)


@pytest.mark.parametrize("wire", STREAMING)
async def test_a_gap_is_told_and_pings_are_not(page: Page, origin: str, wire: Wire) -> None:
    step = Step(messages=[OPEN, Ping(), as_message(EVENTS[0]), Ping(), Gap(at(1), at(4), 3), as_message(EVENTS[4]),
                          Ended(Outcome.COMPLETED)])  # fmt: skip
    for told in (False, True):
        async with peer(origin, wire, EVENTS, step) as server:
            found = await read(page, server.url, **chosen(wire, told=told))
        assert found.events == (EVENTS[::4] if told else EVENTS[:1])
        assert found.told == (["k3f9a2:1 k3f9a2:4 3"] if told else [])
        assert found.cursor == ("k3f9a2:5" if told else "k3f9a2:1")
        assert isinstance(found.error, CursorExpired) is not told
        assert ("gap x" in found.states) is told


async def test_a_place_that_a_refusal_told_is_not_asked_for(page: Page, origin: str, wire: Wire) -> None:
    """On a fast stream it is gone by the next request, so that a reader would never catch up."""
    refused = Step(status=410, fields={"oldest": "k3f9a2:2", "head": "k3f9a2:3", "missing": 1})
    opened: list[Message] = [Opened(at(3), 15), *map(as_message, EVENTS[3:]), Ended(Outcome.COMPLETED)]
    async with peer(origin, wire, EVENTS, refused, Step(messages=[OPEN], cut=0), Step(messages=opened)) as server:
        found = await read(page, server.url, **chosen(wire, after="k3f9a2:1", told=True))
        assert [query["after"] for query in server.asked[:3]] == ["k3f9a2:1", "start", "start"]
    assert (found.events, found.error) == (EVENTS[3:], None)
    assert found.told == ["k3f9a2:1 k3f9a2:3 2"]
    assert found.delays == [0.005]


async def test_a_server_that_names_the_place_it_has_lost_is_wrong(page: Page, origin: str, wire: Wire) -> None:
    step = Step(status=410, fields={"oldest": "k3f9a2:1", "head": "k3f9a2:5", "missing": 0})
    async with peer(origin, wire, EVENTS, step) as server:
        found = await read(page, server.url, **chosen(wire, after="k3f9a2:1", onGap="skip"))
    assert isinstance(found.error, ProtocolViolation)
    assert "can't go on" in str(found.error)


async def test_an_early_end_comes_after_the_events(page: Page, origin: str, wire: Wire) -> None:
    step = Step(messages=[OPEN, *map(as_message, EVENTS), Ended(Outcome.FAILED)])
    async with peer(origin, wire, EVENTS, step) as server:
        found = await read(page, server.url, **chosen(wire))
    assert (found.events, found.cursor, found.outcome) == (EVENTS, "k3f9a2:5", None)
    assert isinstance(found.error, StreamFailed)


@pytest.mark.parametrize("other", [SSE, NDJSON])
async def test_an_answer_of_another_kind_is_told(page: Page, origin: str, other: Wire) -> None:
    async with peer(origin, LONG_POLL, EVENTS) as server:
        found = await read(page, server.url, **chosen(other))
    assert isinstance(found.error, ProtocolViolation)
    assert "application/json" in str(found.error)


WRONG: list[Event] = [
    Event(1, "message", "NaN"), Event(1, "message", '"a'), Event(1, "message", "1 2"), Event(1, "message", ""),
    Event(1, "stream-x", "1"), Event(1, "a b", "1"), Event(2, "message", "1"), Event(10**17, "message", "1"),
]  # fmt: skip


@pytest.mark.parametrize("event", WRONG, ids=repr)
async def test_what_is_not_the_wire_is_told(page: Page, origin: str, wire: Wire, event: Event) -> None:
    if wire == SSE and not event.data:
        event = Event(1, "message", "}")  # without data it would be no message
    async with peer(origin, wire, [event]) as server:
        found = await read(page, server.url, **chosen(wire, after="k3f9a2:0"))
    assert found.events == []
    assert isinstance(found.error, ProtocolViolation)
