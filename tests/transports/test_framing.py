"""Framing against readings of the wires that share no code with it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlanes.producers.events import Cursor, Event, Outcome
from streamlanes.producers.log.event_log import Batch
from streamlanes.transports.framing import (
    CutShort,
    FrameCache,
    NDJSONFraming,
    PlainTextFraming,
    SSEFraming,
    WebSocketFraming,
    poll_body,
    poll_events,
)
from tests.strategies import event_lists

AT = Cursor("k3f9a2", 17)


def read_sse(stream: bytes) -> list[dict[str, str]]:
    """Read an event stream by the letter of https://html.spec.whatwg.org/multipage/server-sent-events.html."""
    lines = stream.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")
    events: list[dict[str, str]] = []
    fields: dict[str, str] = {}
    for line in lines[:-1]:
        if not line:
            events.append(fields)
            fields = {}
            continue
        name, _, value = line.partition(":")
        assert name not in fields, f"two {name} fields"
        fields[name] = value.removeprefix(" ")
    assert not fields
    return events


def as_json(epoch: str, events: Sequence[Event]) -> list[dict[str, object]]:
    return [
        {"id": f"{epoch}:{event.offset}"}
        | ({} if event.type == "message" else {"type": event.type})
        | {"data": json.loads(event.data)}
        for event in events
    ]


@given(event_lists(min_size=1))
def test_sse_events_carry_id_type_and_data(events: list[Event]) -> None:
    assert read_sse(SSEFraming().events("e1", events)) == [
        {"id": f"e1:{event.offset}"} | ({} if event.type == "message" else {"event": event.type}) | {"data": event.data}
        for event in events
    ]


@given(event_lists(min_size=1))
def test_websocket_messages_are_an_object_each(events: list[Event]) -> None:
    assert [json.loads(text) for text in WebSocketFraming().events("e1", events)] == as_json("e1", events)


@given(event_lists(min_size=1))
def test_lines_are_the_websocket_messages(events: list[Event]) -> None:
    framed = NDJSONFraming().events("e1", events)
    assert framed.endswith(b"\n")
    assert framed.decode().split("\n")[:-1] == list(WebSocketFraming().events("e1", events))


@given(event_lists(), st.sampled_from([None, *Outcome]))
def test_a_poll_is_one_object(events: list[Event], outcome: Outcome | None) -> None:
    body = json.loads(poll_body(poll_events("e1", events), Batch(tuple(events), AT, outcome)))
    expected = {"events": as_json("e1", events), "cursor": "k3f9a2:17", "done": outcome is not None}
    assert body == expected | ({} if outcome is None else {"outcome": outcome})


@given(event_lists(min_size=1))
def test_every_wire_carries_the_same_bytes_of_data(events: list[Event]) -> None:
    for framed in (
        SSEFraming().events("e1", events),
        NDJSONFraming().events("e1", events),
        poll_events("e1", events),
        "".join(WebSocketFraming().events("e1", events)).encode(),
    ):
        position = 0
        for event in events:
            position = framed.index(event.data.encode(), position) + len(event.data.encode())


def test_control_messages_of_sse() -> None:
    sse = SSEFraming()
    assert sse.open(AT, 15) == (b'id: k3f9a2:17\nevent: stream-open\ndata: {"cursor":"k3f9a2:17","heartbeat":15}\n\n')
    assert sse.ping() == b"event: stream-ping\ndata: {}\n\n"
    assert sse.gap(Cursor("k3f9a2", 2), AT, 15) == (
        b'id: k3f9a2:17\nevent: stream-gap\ndata: {"after":"k3f9a2:2","next":"k3f9a2:17","missing":15}\n\n'
    )
    assert sse.end(AT, Outcome.COMPLETED) == (
        b'id: k3f9a2:17.end\nevent: stream-end\ndata: {"outcome":"completed"}\n\n'
    )


def test_control_messages_of_json_wires() -> None:
    messages = WebSocketFraming()
    assert messages.open(AT, 15) == ('{"control":"open","cursor":"k3f9a2:17","heartbeat":15}',)
    assert messages.ping() == ('{"control":"ping"}',)
    assert messages.gap(Cursor("old", 2), AT, None) == (
        '{"control":"gap","after":"old:2","next":"k3f9a2:17","missing":null}',
    )
    assert messages.end(AT, Outcome.DELETED) == ('{"control":"end","outcome":"deleted"}',)
    assert NDJSONFraming().ping() == b'{"control":"ping"}\n'


def test_plain_text_is_the_strings_and_nothing_else() -> None:
    plain = PlainTextFraming()
    events = [Event(1, "message", '"Hé"'), Event(2, "message", '{"a":1}'), Event(3, "other", '"\\nllo\\ud800"')]
    assert plain.events("e1", events) == "Hé\nllo\ud800"
    assert plain.open(AT, 15) == plain.ping() == plain.end(AT, Outcome.COMPLETED) == ""


def test_plain_text_has_no_words_for_a_gap_or_a_bad_end() -> None:
    with pytest.raises(CutShort, match="are gone"):
        PlainTextFraming().gap(AT, AT, 3)
    with pytest.raises(CutShort, match="failed"):
        PlainTextFraming().end(AT, Outcome.FAILED)


def test_a_batch_is_framed_once_for_all_readers_at_its_place() -> None:
    framed: list[int] = []

    def frame(epoch: str, events: Sequence[Event]) -> str:
        framed.append(events[0].offset)
        return f"{epoch}/{events[0].offset}"

    cache = FrameCache(frame, batches=2)

    def batch(epoch: str, offset: int) -> Batch:
        return Batch((Event(offset, "message", "1"),), Cursor(epoch, offset), None)

    for _ in range(3):
        assert cache.frame("a", batch("e1", 1)) == "e1/1"
        assert cache.frame("b", batch("e2", 1)) == "e2/1"
    assert framed == [1, 1]
    cache.frame("a", batch("e1", 2))  # more than two batches: the oldest goes
    cache.frame("a", batch("e1", 1))
    assert framed == [1, 1, 2, 1]
