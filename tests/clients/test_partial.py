"""The exact bytes of each wire, cut after every one: half an event is none, and isn't merged with what follows."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from itertools import accumulate

import pytest

from streamlanes import clients
from streamlanes.clients import Options
from streamlanes.clients.messages import Ended, Message, Opened, Received
from streamlanes.producers.events import Cursor, Event, Outcome
from streamlanes.producers.wire import LONG_POLL, NDJSON, SSE, WEBSOCKET, Wire
from tests.clients.peers import MEDIA_TYPES, as_message, at, json_text, listening, poll_text, response_head, sse_text

CLIENTS = clients.discover()
OPTIONS = Options(first_delay=0.0001, max_delay=0.0001, attempts=5, open_timeout=10)

# Each prefix of such data is data too, and a cut in the middle of one makes another number, or another text.
EVENTS = [Event(1, "message", "1234567"), Event(2, "tick", '"é\u2028 data: 1"'), Event(3, "message", "89")]
LAST = len(EVENTS)


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def sse(message: Message) -> bytes:
    return sse_text(message).encode()


def ndjson(message: Message) -> bytes:
    return f"{json_text(message)}\n".encode()


def frame(message: Message) -> bytes:
    payload = json_text(message).encode()
    assert len(payload) < 126
    return bytes([0x81, len(payload)]) + payload


def chunked(wire: Wire) -> Callable[[str], bytes]:
    return lambda _: response_head(200, MEDIA_TYPES[wire], None)


def switching(request: str) -> bytes:
    key = re.search(r"Sec-WebSocket-Key: (\S+)", request, re.IGNORECASE)
    assert key is not None
    accept = base64.b64encode(hashlib.sha1(f"{key[1]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest())  # noqa: S324
    head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    return head.encode() + accept + b"\r\n\r\n"


HEADS: dict[Wire, Callable[[str], bytes]] = {SSE: chunked(SSE), NDJSON: chunked(NDJSON), WEBSOCKET: switching}
TEXTS: dict[Wire, Callable[[Message], bytes]] = {SSE: sse, NDJSON: ndjson}


def following(cursor: Cursor) -> Sequence[Message]:
    events = [as_message(event) for event in EVENTS if event.offset > cursor.offset]
    return [Opened(cursor, 15), *events, Ended(Outcome.COMPLETED)]


def after_in(request: str) -> str:
    found = re.search(r"[?&]after=([^& ]*)", request)
    assert found is not None
    return found[1]


async def read_with_a_cut(wire: Wire, answer: Callable[[str, bool], bytes]) -> tuple[list[Event], list[str]]:
    """Read all, from a server that answers each connection with these bytes and a FIN; also return what was asked."""
    asked: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(after_in(request))
        writer.write(answer(request, len(asked) == 1))
        await writer.drain()

    async with listening(handle) as base:
        async with CLIENTS[wire].connect(f"{base}/lane/x", options=OPTIONS) as stream:
            events = [event async for event in stream]
        assert stream.outcome is Outcome.COMPLETED
    return events, asked


def resumed_after(pieces: Sequence[bytes], cut: int, behind: int = 0) -> str:
    """Where a reader goes on who has got the first *cut* bytes of *pieces*: open, the events, end.

    It doesn't wait for the last bytes of a piece, so many as are *behind* its message.
    """
    ends = accumulate(len(piece) for piece in pieces)
    complete = sum(1 for end in ends if end - behind <= cut)
    return str(at(min(complete - 1, LAST))) if complete else "start"


def answering(wire: Wire, write: Callable[[Message], bytes], begun: bytes) -> Callable[[str, bool], bytes]:
    """Answer the first with what has *begun*, and others with all that they ask for."""

    def answer(request: str, first: bool) -> bytes:
        after = after_in(request)
        messages = following(at(0) if after == "start" else Cursor.parse(after))
        return HEADS[wire](request) + (begun if first else b"".join(map(write, messages)))

    return answer


@pytest.mark.parametrize(("wire", "behind"), [(SSE, 2), (NDJSON, 2), (WEBSOCKET, 0)])
async def test_half_an_event_is_none(wire: Wire, behind: int) -> None:
    def write(message: Message) -> bytes:
        return frame(message) if wire == WEBSOCKET else chunk(TEXTS[wire](message))

    pieces = list(map(write, following(at(0))))
    body = b"".join(pieces)
    for cut in range(len(body) - behind):
        events, asked = await read_with_a_cut(wire, answering(wire, write, body[:cut]))
        assert events == EVENTS
        assert asked == ["start", resumed_after(pieces, cut, behind)]


@pytest.mark.parametrize("wire", TEXTS)
async def test_nor_is_one_where_a_proxy_has_ended_the_response_well(wire: Wire) -> None:
    """The last chunk is whole, and an end follows it; only the text in it stops somewhere."""
    pieces = list(map(TEXTS[wire], following(at(0))))
    text = b"".join(pieces)
    for cut in range(1, len(text)):
        begun = chunk(text[:cut]) + b"0\r\n\r\n"
        answer = answering(wire, lambda message: chunk(TEXTS[wire](message)), begun)
        events, asked = await read_with_a_cut(wire, answer)
        assert events == EVENTS
        assert asked == ["start", resumed_after(pieces, cut)]


async def test_half_a_polls_answer_is_none() -> None:
    whole = poll_text([Received(at(0).epoch, event) for event in EVENTS], at(LAST), Outcome.COMPLETED).encode()
    response = response_head(200, MEDIA_TYPES[LONG_POLL], len(whole)) + whole
    for cut in range(len(response)):

        def answer(_: str, first: bool, begun: bytes = response[:cut]) -> bytes:
            return begun if first else response

        events, asked = await read_with_a_cut(LONG_POLL, answer)
        assert events == EVENTS
        assert asked == ["start", "start"]
