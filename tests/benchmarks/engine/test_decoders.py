"""The engine's decoders: any chunking decodes alike, and data comes out as the bytes that went in."""

from __future__ import annotations

import itertools
import json
from array import array
from collections.abc import Callable, Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlanes.benchmarks.engine.decoding import decoder as decoding
from streamlanes.benchmarks.engine.decoding.decoder import Decoder, Events, ReadingFailed
from streamlanes.benchmarks.engine.decoding.foreign import ForeignDecoder, ForeignSSEDecoder
from streamlanes.benchmarks.engine.wires import discover
from streamlanes.benchmarks.engine.wires.foreign_sse import FOREIGN_SSE
from streamlanes.benchmarks.engine.wires.foreign_websocket import FOREIGN_WEBSOCKET
from streamlanes.benchmarks.engine.wires.long_poll import LongPollDecoder
from streamlanes.benchmarks.engine.wires.ndjson import NDJSONDecoder
from streamlanes.benchmarks.engine.wires.sse import SSEDecoder
from streamlanes.benchmarks.engine.wires.websocket import WebSocketDecoder
from streamlanes.producers import wire
from streamlanes.producers.events import Event, encode_json
from tests.strategies import event_lists

EVENTS: Final = event_lists()
CUTS: Final = st.lists(st.integers(0, 4000), max_size=20)
LINE_ENDS: Final = st.sampled_from(["\n", "\r\n", "\r"])


def sse(events: Sequence[Event], end: str = "\n") -> bytes:
    blocks = [["id: e1:0", "event: stream-open", 'data: {"cursor":"e1:0","heartbeat":15}'], [": comment"]]
    for event in events:
        kind = [] if event.type == "message" else [f"event: {event.type}"]
        blocks.append([f"id: e1:{event.offset}", *kind, f"data: {event.data}"])
        blocks.append(["event: stream-ping", "data: {}"])
    blocks.append([f"id: e1:{len(events)}.end", "event: stream-end", 'data: {"outcome":"completed"}'])
    return "".join(end.join(block) + end + end for block in blocks).encode()


def json_event(event: Event) -> str:
    kind = "" if event.type == "message" else f'"type":"{event.type}",'
    return f'{{"id":"e1:{event.offset}",{kind}"data":{event.data}}}'


def messages(events: Sequence[Event]) -> list[bytes]:
    lines = ['{"control":"open","cursor":"e1:0","heartbeat":15}', '{"control":"ping"}']
    lines += [json_event(event) for event in events]
    return [line.encode() for line in (*lines, '{"control":"end","outcome":"completed"}')]


def ndjson(events: Sequence[Event]) -> bytes:
    return b"".join(message + b"\n" for message in messages(events))


def poll(events: Sequence[Event], head: int, *, done: bool) -> bytes:
    tail = 'true,"outcome":"completed"' if done else "false"
    return f'{{"events":[{",".join(map(json_event, events))}],"cursor":"e1:{head}","done":{tail}}}'.encode()


def split(content: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    return [content[start:stop] for start, stop in itertools.pairwise(places)]


def decode(decoder: Decoder, chunks: Sequence[bytes]) -> Events:
    everything = Events()
    for chunk in chunks:
        events = decoder.feed(chunk)
        everything.offsets.extend(events.offsets)
        everything.data.extend(text for some in events.data for text in some.split(b"\n"))
    return everything


def verbatim(events: Sequence[Event]) -> Events:
    return Events(array("q", [event.offset for event in events]), [event.data.encode() for event in events])


def check_end(decoder: Decoder) -> None:
    assert decoder.place.epoch == b"e1"
    assert decoder.place.outcome == "completed"
    assert decoder.place.missing == 0


@given(events=EVENTS, cuts=CUTS, end=LINE_ENDS)
def test_sse_split_anywhere(events: list[Event], cuts: list[int], end: str) -> None:
    decoder = SSEDecoder()
    assert decode(decoder, split(sse(events, end), cuts)) == verbatim(events)
    check_end(decoder)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_sse_byte_by_byte(end: str) -> None:
    events = [Event(1, "message", '"a\\nb"'), Event(2, "delta", '{"data":"x: y"}')]
    content = sse(events, end)
    assert decode(SSEDecoder(), [content[i : i + 1] for i in range(len(content))]) == verbatim(events)


@given(events=EVENTS, cuts=CUTS)
def test_ndjson_split_anywhere(events: list[Event], cuts: list[int]) -> None:
    decoder = NDJSONDecoder()
    assert decode(decoder, split(ndjson(events), cuts)) == verbatim(events)
    check_end(decoder)


@given(events=EVENTS)
def test_websocket_message_by_message(events: list[Event]) -> None:
    decoder = WebSocketDecoder()
    assert decode(decoder, messages(events)) == verbatim(events)
    check_end(decoder)


@given(events=EVENTS, cut=st.integers(0, 8))
def test_polls(events: list[Event], cut: int) -> None:
    decoder = LongPollDecoder()
    assert decoder.after == "start"
    first, second = events[:cut], events[cut:]
    assert decoder.feed(poll(first, len(first), done=False)) == verbatim(first)
    assert decoder.after == f"e1:{len(first)}"
    assert decoder.place.outcome is None
    assert decoder.feed(poll(second, len(events), done=True)) == verbatim(second)
    check_end(decoder)


def test_data_that_looks_like_an_event() -> None:
    inner = json.dumps({"id": "e1:9", "data": [{"id": "e1:8", "data": None}]}, separators=(",", ":"))
    events = [Event(1, "message", inner), Event(2, "message", encode_json(inner))]
    assert decode(NDJSONDecoder(), [ndjson(events)]) == verbatim(events)
    assert decode(SSEDecoder(), [sse(events)]) == verbatim(events)
    assert LongPollDecoder().feed(poll(events, 2, done=True)) == verbatim(events)


def test_gaps_are_told() -> None:
    lines = NDJSONDecoder()
    lines.feed(b'{"control":"gap","after":"e1:0","next":"e1:7","missing":7}\n')
    lines.feed(b'{"control":"gap","after":"e1:9","next":"e1:10","missing":null}\n')
    assert lines.place.missing == 8
    blocks = SSEDecoder()
    blocks.feed(b'id: e1:7\nevent: stream-gap\ndata: {"after":"e1:0","next":"e1:7","missing":7}\n\n')
    assert blocks.place.missing == 7


@pytest.mark.parametrize(
    ("decoder", "content"),
    [
        (SSEDecoder, b"id: e1:1\ndata: 1\n\nid: e2:2\ndata: 2\n\n"),
        (SSEDecoder, sse([]) + b"id: e1:1\ndata: 1\n\n"),
        (SSEDecoder, b"data: 1\n\n"),
        (SSEDecoder, b"event: stream-end\ndata: nonsense\n\n"),
        (SSEDecoder, b"event: stream-what\ndata: {}\n\n"),
        (NDJSONDecoder, b'{"id":"e1:1","data":1}\n{"id":"e2:2","data":2}\n'),
        (NDJSONDecoder, ndjson([]) + b'{"id":"e1:1","data":1}\n'),
        (NDJSONDecoder, b"nonsense\n"),
        (NDJSONDecoder, b'{"control":"what"}\n'),
        (NDJSONDecoder, b'{"control":"open"}\n'),
        (WebSocketDecoder, b"[]"),
        (LongPollDecoder, b"{}"),
        (LongPollDecoder, b'{"events":[{"id":"e1:1","data":1},],"cursor":"e1:1","done":false}'),
        (LongPollDecoder, b'{"events":[{"id":"e1:1","data":}],"cursor":"e1:1","done":false}'),
        (LongPollDecoder, b'{"events":[{"id":"e1:1","data":1,"x":2}],"cursor":"e1:1","done":false}'),
        (LongPollDecoder, b'{"events":[{"id":"e1:1","data":1}],"cursor":"e2:1","done":false}'),
        (LongPollDecoder, b'{"events":[{"id":"e1:1","data":1}'),
    ],
)
def test_faults(decoder: Callable[[], Decoder], content: bytes) -> None:
    with pytest.raises(ReadingFailed):
        decoder().feed(content)


def test_every_wire_has_a_reader() -> None:
    ours = {wire.SSE, wire.WEBSOCKET, wire.LONG_POLL, wire.NDJSON}
    assert set(discover()) == {*ours, FOREIGN_SSE, FOREIGN_WEBSOCKET}


@given(cuts=CUTS, end=LINE_ENDS)
def test_foreign_sse_split_anywhere(cuts: list[int], end: str) -> None:
    data = ['{"n":1,"text":"a.."}', '{"n":2,"text":""}']
    blocks = [
        [": hi"],
        ["id: 17:0", f"data: {data[0]}"],
        ["data:{}"],
        [f'data:{{"pub":{data[1]}}}', "id: 9"],
    ]
    content = "".join(end.join(block) + end + end for block in blocks).encode()
    decoder = ForeignSSEDecoder(2)
    assert decode(decoder, split(content, cuts)) == Events(array("q", [1, 2]), [text.encode() for text in data])
    assert decoder.place.outcome == "completed"


def test_foreign_messages_end_with_the_last_that_is_awaited() -> None:
    decoder = ForeignDecoder(3)
    assert decoder.feed_all([b'{"n":1,"text":"x"}', b"{}", b'[{"n":3,"text":"x"}]']).offsets.tolist() == [1, 3]
    assert decoder.place.outcome == "completed"
    with pytest.raises(ReadingFailed):
        ForeignDecoder(0)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 1000])
def test_a_byte_order_mark_is_no_part_of_the_stream(size: int) -> None:
    events = [Event(1, "message", '"\ufeff"')]
    content = b"\xef\xbb\xbf" + sse(events, "\n")
    chunks = [content[n : n + size] for n in range(0, len(content), size)]
    assert decode(SSEDecoder(), chunks) == verbatim(events)
    data = '{"n":1,"text":"a"}'
    content = f"\ufeffdata: {data}\n\n".encode()
    chunks = [content[n : n + size] for n in range(0, len(content), size)]
    assert decode(ForeignSSEDecoder(1), chunks) == Events(array("q", [1]), [data.encode()])


@pytest.mark.parametrize(
    ("decoder", "piece"),
    [
        (SSEDecoder(), b"x" * 65_536), (SSEDecoder(), b"data: x\n" * 8192), (NDJSONDecoder(), b"x" * 65_536),
        (ForeignSSEDecoder(1), b"x" * 65_536),
    ],
)  # fmt: skip
def test_what_does_not_end_is_the_lanes_fault(decoder: Decoder, piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "LONGEST", 300_000)
    with pytest.raises(ReadingFailed, match="didn't end"):
        decode(decoder, [piece] * 6)
