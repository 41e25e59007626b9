"""Bytes in, messages out: any JSON comes through verbatim, however the bytes are cut."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import pairwise

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamlanes.clients import long_poll, ndjson, sse, websocket
from streamlanes.clients.jsonwire import Polled
from streamlanes.clients.messages import Ended, Gap, Message, NotTaken, Opened, Ping, Received
from streamlanes.producers.errors import ProtocolViolation
from streamlanes.producers.events import JSON, Cursor, Event, Outcome, encode_json
from tests.clients.peers import EPOCH, at, json_text, poll_text, sse_text

SEPARATORS = '\r\n\u2028\u2029\u0085\x0b\x0c\x1c\x1d\x1e\0\ufeff\ud800\udfff"\\}]{[,:é😀 '
TEXTS = st.text(st.characters() | st.sampled_from(SEPARATORS), max_size=12)
VALUES: st.SearchStrategy[JSON] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
# What another server might write, and reading and writing again would change.
FOREIGN = st.sampled_from(
    ["1E5", "1.0e+2", "-0", '{"a":1,"a":2}', r'"\/\u00e9\ud83d"', "[1, 2]", "123456789012345678901"]
)
DATA = st.builds(encode_json, VALUES) | FOREIGN
TYPES = st.just("message") | st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True).filter(
    lambda name: name not in {"error", "open"} and not name.startswith("stream-")
)
CURSORS = st.builds(Cursor, st.from_regex(r"[0-9a-z]{1,16}", fullmatch=True), st.integers(0, 10**18 - 1))
EVENTS = st.builds(
    lambda cursor, kind, data: Received(cursor.epoch, Event(cursor.offset, kind, data)), CURSORS, TYPES, DATA
)
CONTROLS: st.SearchStrategy[Message] = (
    st.builds(Opened, CURSORS, st.floats(0.001, 86_400))
    | st.just(Ping())
    | st.builds(Gap, CURSORS, CURSORS, st.none() | st.integers(0, 2**53))
    | st.builds(Ended, st.sampled_from(Outcome))
    | st.builds(NotTaken, TEXTS)
)
MESSAGES: st.SearchStrategy[Message] = EVENTS | CONTROLS
CUTS = st.lists(st.integers(0, 2000), max_size=8) | st.just(list(range(2000)))


def split(body: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = sorted({0, *(cut for cut in cuts if cut < len(body)), len(body)})
    return [body[a:b] for a, b in pairwise(places)]


class Chunks(httpx.AsyncByteStream):
    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


async def read_sse(chunks: Sequence[bytes]) -> list[Message]:
    response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, stream=Chunks(chunks))
    return [message async for message in sse.read(response, max_event_bytes=1 << 24)]


def read_ndjson(chunks: Sequence[bytes]) -> list[Message]:
    lines = ndjson.Lines(1 << 24)
    return [ndjson.decode(line) for chunk in chunks for line in lines.feed(chunk)]


@given(st.lists(MESSAGES, max_size=4), CUTS, st.sampled_from(["\n", "\r\n", "\r"]))
async def test_sse_split_anywhere(messages: list[Message], cuts: list[int], end: str) -> None:
    body = "".join(sse_text(message, end) for message in messages).encode()
    assert await read_sse(split(body, cuts)) == messages


@given(st.lists(MESSAGES, max_size=4), CUTS)
def test_ndjson_split_anywhere(messages: list[Message], cuts: list[int]) -> None:
    body = "".join(f"{json_text(message)}\n" for message in messages).encode()
    assert read_ndjson(split(body, cuts)) == messages


@given(MESSAGES)
def test_a_websocket_frame_is_a_message(message: Message) -> None:
    assert websocket.decode(json_text(message)) == message


@given(st.lists(EVENTS, max_size=4), CURSORS, st.none() | st.sampled_from(Outcome))
@example([], at(0), None)
def test_a_poll_has_the_events_verbatim(events: list[Received], cursor: Cursor, outcome: Outcome | None) -> None:
    body = poll_text(events, cursor, outcome).encode()
    assert json.loads(body)["cursor"] == str(cursor)
    assert long_poll.decode(body) == Polled(tuple(events), cursor, outcome)


@given(st.lists(EVENTS, min_size=1, max_size=2), st.data())
async def test_a_message_that_was_cut_is_none(events: list[Received], data: st.DataObject) -> None:
    lines = "".join(f"{json_text(event)}\n" for event in events).encode()
    cut = data.draw(st.integers(0, len(lines) - 1))
    assert read_ndjson([lines[:cut]]) == events[: lines[:cut].count(b"\n")]
    blocks = "".join(sse_text(event) for event in events).encode()
    cut = data.draw(st.integers(0, len(blocks) - 1))
    assert await read_sse([blocks[:cut]]) == events[: blocks[:cut].count(b"\n\n")]


async def test_sse_blocks_without_data_are_no_events() -> None:
    body = b": hello\n\nid: k3f9a2:1\ndata: 1\n\n: ping\n\nretry: 500\n\nevent: tick\n\n\n\nid: k3f9a2:2\ndata: 2\n\n"
    assert await read_sse([body]) == [
        Received(EPOCH, Event(1, "message", "1")),
        Received(EPOCH, Event(2, "message", "2")),
    ]


WRONG = [
    "",
    "{",
    "[]",
    "1",
    "null",
    '{"id":"k3f9a2:1","data":1',
    '{"id":"k3f9a2:1","data":}',
    '{"id":"k3f9a2:1","data":NaN}',
    '{"id":"k3f9a2:1","data":1}}',
    '{"id":"k3f9a2:1","data":1,"type":"tick"}',
    '{"id":"k3f9a2:1","data":"a\tb"}',
    '{"id":"K:1","data":1}',
    '{"id":"k3f9a2:01","data":1}',
    '{"id":"k3f9a2:1","type":"stream-end","data":1}',
    '{"data":1}',
    '{"control":"dance"}',
    '{"control":1}',
    '{"control":"open"}',
    '{"control":"open","cursor":"k3f9a2:1","heartbeat":0}',
    '{"control":"open","cursor":"k3f9a2:1","heartbeat":true}',
    '{"control":"open","cursor":"k3f9a2:1","heartbeat":1e999}',
    '{"control":"open","cursor":"k3f9a2:1","heartbeat":1' + "0" * 400 + "}",
    '{"control":"gap","after":"k3f9a2:1","next":"k3f9a2:3","missing":-1}',
    '{"control":"end","outcome":"well"}',
    "[" * 100_000,
]


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:70])
def test_what_the_wire_does_not_allow_is_told(text: str) -> None:
    with pytest.raises(ProtocolViolation):
        websocket.decode(text)
    with pytest.raises(ProtocolViolation):
        ndjson.decode(text.encode())


@pytest.mark.parametrize(
    ("decode", "wrong"),
    [
        (websocket.decode, b"{}"),
        (ndjson.decode, b'{"id":"k3f9a2:1","data":"\xff"}'),
        (long_poll.decode, b"\xff"),
        (long_poll.decode, b"{}"),
        (long_poll.decode, b'{"events":[]'),
        (long_poll.decode, b'{"events":[],"cursor":"k3f9a2:1"}'),
        (long_poll.decode, b'{"events":[],"cursor":"k3f9a2:1","done":true}'),
        (long_poll.decode, b'{"events":[1],"cursor":"k3f9a2:1","done":false}'),
        (long_poll.decode, b'{"events":[{"id":"k3f9a2:1","data":1} {"id":"k3f9a2:2","data":1}],"cursor":"k3f9a2:2"}'),
        (long_poll.decode, b'{"events":[{"id":"k3f9a2:1","data":1},],"cursor":"k3f9a2:1","done":false}'),
    ],
)
def test_so_are_bytes_and_bodies(decode: Callable[[bytes], object], wrong: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        decode(wrong)


@pytest.mark.parametrize(
    "block",
    [
        b"data: 1\n\n",
        b"id: k3f9a2:1\ndata: 1 2\n\n",
        b"id: k3f9a2:1\ndata: {\n\n",
        b"id: k3f9a2:1\nevent: open\ndata: 1\n\n",
        b"event: stream-end\ndata: 1\n\n",
        b"event: stream-dance\ndata: {}\n\n",
    ],
)
async def test_and_events_of_sse(block: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        await read_sse([block])


def test_a_poll_whose_cursor_is_not_its_last_events_is_wrong() -> None:
    with pytest.raises(ProtocolViolation):
        list(long_poll.messages(Polled((Received(EPOCH, Event(1, "message", "1")),), at(2), None)))


@pytest.mark.parametrize("cut", [1, 5, 9])
def test_a_line_may_be_so_long_and_no_longer_however_it_is_cut(cut: int) -> None:
    line = b"x" * 10 + b"\n"
    for longest in (10, 9):
        lines = ndjson.Lines(longest)
        lines.feed(b"a\n" + line[:cut])
        if longest == 10:
            assert lines.feed(line[cut:] + b"b\n") == [b"x" * 10, b"b"]
        else:
            with pytest.raises(ProtocolViolation):
                lines.feed(line[cut:])
