"""What other people's servers do to the browser's client: bytes without end, marks, answers that are none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page

from streamlanes.clients.messages import Gap, Opened
from streamlanes.producers.errors import ProtocolViolation
from streamlanes.producers.wire import LONG_POLL, NDJSON, SSE, WEBSOCKET, Wire
from tests.browser.driver import call, read
from tests.browser.peers import cors, listening, peer
from tests.browser.test_connections import EVENTS, chosen
from tests.clients.peers import MEDIA_TYPES, Step, at, json_text, poll_text, response_head, sse_text

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPEN = Opened(at(0), 15)
BEGIN = {SSE: sse_text(OPEN), NDJSON: f"{json_text(OPEN)}\n", LONG_POLL: '{"events":['}


@asynccontextmanager
async def answering(head: bytes, *bodies: bytes, more: bytes = b"") -> AsyncIterator[str]:
    """A server that answers each request with the next body, chunked as it stands, and goes on with *more* for ever."""
    left = list(bodies)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head)
            body = left.pop(0)
            writer.write(b"%x\r\n%b\r\n" % (len(body), body))
            while more:
                writer.write(b"%x\r\n%b\r\n" % (len(more), more))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            await writer.drain()

    async with listening(answer) as (host, port):
        yield f"http://{host}:{port}"


def head(origin: str, media_type: str, status: int = 200) -> bytes:
    return response_head(status, media_type, None, cors(origin))


@pytest.mark.parametrize(
    ("wire", "more"),
    [(SSE, b"x" * 8192), (SSE, b"data: " + b"x" * 1024 + b"\n"), (NDJSON, b"x" * 8192), (LONG_POLL, b" " * 8192)],
)
async def test_what_does_not_end_is_not_kept(page: Page, origin: str, wire: Wire, more: bytes) -> None:
    first = head(origin, MEDIA_TYPES[wire])
    async with answering(first, BEGIN[wire].encode(), more=more) as url, asyncio.timeout(20):
        found = await read(page, f"{url}/x/y", **chosen(wire, maxEventLength=100_000, attempts=1))
    assert type(found.error) is ProtocolViolation
    assert "characters" in str(found.error)


async def test_a_message_that_is_too_long_is_not_kept(page: Page, origin: str) -> None:
    async with peer(origin, WEBSOCKET, EVENTS) as server:
        found = await read(page, server.url, **chosen(WEBSOCKET, maxEventLength=40))
    assert type(found.error) is ProtocolViolation


@pytest.mark.parametrize("wire", [SSE, WEBSOCKET, NDJSON])
async def test_a_gap_does_not_go_backwards(page: Page, origin: str, wire: Wire) -> None:
    step = Step(messages=[Opened(at(2), 15), Gap(at(2), at(1), None)])
    async with peer(origin, wire, EVENTS, step) as server:
        found = await read(page, server.url, **chosen(wire, after=str(at(2)), onGap="skip", attempts=1))
    assert type(found.error) is ProtocolViolation
    assert "ends at" in str(found.error)


async def test_an_empty_answer_stays_where_it_was_asked_for(page: Page, origin: str) -> None:
    bodies = [poll_text([], at(offset), None).encode() for offset in (2, 5)]
    async with answering(head(origin, "application/json"), *bodies) as url:
        found = await read(page, f"{url}/x/y", **chosen(LONG_POLL, after=str(at(2)), attempts=1))
    assert "from k3f9a2:2 to k3f9a2:5" in str(found.error)


async def test_a_byte_order_mark_is_no_part_of_the_stream(page: Page, origin: str) -> None:
    async with peer(origin, SSE, EVENTS) as server:
        text = "".join(map(sse_text, server.messages(Step(), {"after": "start"})))
    async with answering(head(origin, "Text/Event-Stream"), b"\xef\xbb\xbf" + text.encode()) as url:
        found = await read(page, f"{url}/x/y", **chosen(SSE, attempts=1))
    assert (found.error, found.events) == (None, EVENTS)


async def test_polls_of_two_readers_are_not_identical(page: Page, origin: str) -> None:
    async with peer(origin, LONG_POLL, EVENTS) as server:
        for _ in range(2):
            await read(page, server.url, **chosen(LONG_POLL))
    first, second = (asked["reader"] for asked in server.asked)
    assert first != second


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        (b'{"session_id": "a", "cursor": "k3f9a2:0", "links": {"sse": "/sse/a"}}', False),
        (b'{"session_id": "a", "cursor": "k3f9a2:0"}', True),
        (b'{"session_id": "a", "cursor": "k3f9a2:0", "links": {"sse": 1}}', True),
        (b'{"session_id": "a", "cursor": "k3f9a2:0", "links": {"sse": "http://["}}', True),
        (b"[]", True),
        (b"\xff", True),
    ],
)
async def test_what_is_no_answer_to_start_is_told_as_such(page: Page, origin: str, body: bytes, *, whole: bool) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        fields: Mapping[str, str] = {**cors(origin), "Access-Control-Allow-Headers": "content-type"}
        if request.startswith(b"OPTIONS"):
            writer.write(response_head(204, "text/plain", 0, fields))
        else:
            writer.write(response_head(201, "application/json", len(body) + (0 if whole else 5), fields) + body)
        await writer.drain()

    async with listening(answer) as (host, port):
        told = await call(page, "attempt", f"http://{host}:{port}", "tokens")
    assert told["ours"], json.dumps(told)
    assert told["name"] == ("ProtocolViolation" if whole else "ConnectionLost")
