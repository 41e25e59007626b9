"""What other people's servers, proxies and machines do to clients: bytes without end, marks, patience, certificates."""

from __future__ import annotations

import asyncio
import gzip
import os
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from streamlanes import clients
from streamlanes.clients import Options
from streamlanes.clients.http import MAX_PROBLEM
from streamlanes.clients.long_poll import MAX_ANSWER
from streamlanes.clients.messages import Ended, Gap, Opened
from streamlanes.producers.errors import ProtocolViolation, RequestRejected, StreamError, StreamLost, UnknownStream
from streamlanes.producers.events import Event, Outcome
from streamlanes.producers.wire import LONG_POLL, NDJSON, SSE, WEBSOCKET, Wire
from tests.clients.peers import (
    MEDIA_TYPES,
    Step,
    at,
    json_text,
    listening,
    numbered,
    peer,
    response_head,
    sse_text,
)

CLIENTS = clients.discover()
HTTP = (SSE, NDJSON, LONG_POLL)
LIMIT = 100_000


@asynccontextmanager
async def flooding(head: bytes, begin: bytes, more: bytes) -> AsyncIterator[tuple[str, list[int]]]:
    """A server that begins to answer, and then sends *more* and more; gives its URL, and how much was sent."""
    sent = [0]

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        for part in (begin, *[more] * 10_000):
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
            sent[0] += len(part)

    async with listening(flood) as base:
        yield f"{base}/lane/x", sent


async def violation(wire: Wire, url: str) -> str:
    options = Options(max_event_bytes=LIMIT, attempts=1)
    with pytest.raises(ProtocolViolation) as told:
        await asyncio.wait_for(read(wire, url, options), 20)
    return str(told.value)


async def read(wire: Wire, url: str, options: Options) -> list[Event]:
    async with CLIENTS[wire].connect(url, options=options) as stream:
        return [event async for event in stream]


FIRST = Opened(at(0), 15)
OPEN = {SSE: sse_text(FIRST).encode(), NDJSON: f"{json_text(FIRST)}\n".encode(), LONG_POLL: b" "}


@pytest.mark.parametrize(
    ("wire", "more"),
    [
        (SSE, b"x" * 8192),
        (SSE, b"data: " + b"x" * 1024 + b"\n"),
        (SSE, b"data: x\r" * 512),
        (SSE, b": a comment\r\n" * 512),
        (NDJSON, b"x" * 8192),
        (LONG_POLL, b'{"events":[' + b" " * 8192),
    ],
)
async def test_what_does_not_end_is_not_kept(wire: Wire, more: bytes) -> None:
    head = response_head(200, MEDIA_TYPES[wire], None)
    async with flooding(head, OPEN[wire], more) as (url, sent):
        assert "bytes" in await violation(wire, url)
    most = LIMIT + MAX_ANSWER if wire == LONG_POLL else LIMIT
    assert sent[0] < most + 8 * 1024 * 1024  # and what was on the way, in the sockets' buffers


async def test_a_websocket_message_that_does_not_end_is_not_kept() -> None:
    async def flood(connection: ServerConnection) -> None:
        await connection.send(json_text(Opened(at(0), 15)))
        with suppress(ConnectionClosed):
            await connection.send("x" * 1024 for _ in range(100_000))

    async with serve(flood, "127.0.0.1", 0, compression=None) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws/x"
        assert "can't be read" in await violation(WEBSOCKET, url)


@pytest.mark.parametrize("wire", HTTP)
async def test_a_refusal_is_not_read_to_its_end(wire: Wire) -> None:
    head = response_head(404, "text/html", None)
    async with flooding(head, b"<html>", b"x" * 8192) as (url, sent):
        with pytest.raises(UnknownStream):
            async with asyncio.timeout(20), CLIENTS[wire].connect(url, options=Options(attempts=1)):
                pass
        base = url.removesuffix("/lane/x")
        with pytest.raises(StreamError):
            await clients.lanes(base)
        with pytest.raises(StreamError):
            await clients.start(base, "tokens")
    assert sent[0] < 3 * (MAX_PROBLEM + 8 * 1024 * 1024)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 1000])
async def test_a_byte_order_mark_is_no_part_of_the_stream(size: int) -> None:
    async with peer(SSE, events := numbered(3)) as server:
        body = (
            b"\xef\xbb\xbf"
            + "".join(sse_text(message) for message in server.messages(Step(), {"after": "start"})).encode()
        )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response_head(200, "Text/Event-Stream;charset=UTF-8", None))  # a media type has no case
        for part in [body[n : n + size] for n in range(0, len(body), size)]:
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    async with listening(answer) as base, CLIENTS[SSE].connect(f"{base}/sse/x", options=Options(attempts=1)) as stream:
        assert [event async for event in stream] == events


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("wire", HTTP)
async def test_what_was_packed_unasked_is_not_unpacked_without_bounds(wire: Wire, status: int) -> None:
    packed = gzip.compress(gzip.compress(b" " * (64 << 20), 9), 9)
    fields = {"Content-Encoding": "gzip, gzip"}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response_head(status, MEDIA_TYPES[wire], len(packed), fields) + packed)

    tracemalloc.start()
    try:
        async with listening(answer) as base:
            with pytest.raises(UnknownStream if status == 404 else ProtocolViolation):
                await read(wire, f"{base}/x/y", Options(attempts=1))
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("status", "name"), [(503, "Retry-After"), (302, "Location")])
async def test_a_field_that_a_proxy_has_said_again_is_the_first(status: int, name: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} X\r\n{name}: 2\r\n{name}: 3\r\nContent-Length: 0\r\n\r\n".encode())

    async with listening(answer) as base:
        with pytest.raises(StreamLost if status == 503 else RequestRejected):
            await read(WEBSOCKET, f"{base}/ws/y", Options(attempts=1))


async def test_patience_has_a_bound_and_can_be_seen() -> None:
    naps: list[float] = []
    until: list[datetime | None] = []

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        until.append(stream.waits_until)

    for asked in ("1000000000", "Fri, 01 Jan 2099 00:00:00 GMT"):
        step = Step(status=503, headers={"Retry-After": asked})
        options = Options(sleep=sleep, rng=lambda: 1.0, max_patience=90)
        async with peer(SSE, numbered(1), step) as server:
            stream = CLIENTS[SSE].connect(server.url, options=options)
            async with stream:
                assert stream.waits_until is None
    assert naps == [90.5, 90.5]
    for at_ in until:
        assert at_ is not None
        assert timedelta(80) > at_ - datetime.now(UTC) > timedelta(seconds=60)
    assert Options().delay(1, 1e9) <= 3600.5


async def test_polls_of_two_readers_are_not_identical() -> None:
    async with peer(LONG_POLL, numbered(600)) as server:
        for _ in range(2):
            async with CLIENTS[LONG_POLL].connect(server.url) as stream:
                assert len([event async for event in stream]) == 600
    readers = [asked["reader"] for asked in server.asked]
    assert len(readers) == 6
    assert len(set(readers[:3])) == len(set(readers[3:])) == 1
    assert readers[0] != readers[3]


async def test_an_empty_answer_stays_where_it_was_asked_for() -> None:
    answers = [
        b'{"events":[],"cursor":"k3f9a2:2","done":false}',
        b'{"events":[],"cursor":"k3f9a2:5","done":false}',
    ]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for body in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(response_head(200, "application/json", len(body)) + body)
            await writer.drain()

    async with listening(answer) as base, CLIENTS[LONG_POLL].connect(f"{base}/poll/x", after=at(2)) as stream:
        with pytest.raises(ProtocolViolation, match="from k3f9a2:2 to k3f9a2:5"):
            await anext(stream)


@pytest.mark.parametrize("wire", [SSE, WEBSOCKET, NDJSON])
@pytest.mark.parametrize("following", [1, 2])
async def test_a_gap_does_not_go_backwards(wire: Wire, following: int) -> None:
    step = Step(messages=[Opened(at(2), 15), Gap(at(2), at(following), None), Ended(Outcome.COMPLETED)])
    async with (
        peer(wire, numbered(5), step) as server,
        CLIENTS[wire].connect(server.url, after=at(2), options=Options(on_gap="skip")) as stream,
    ):
        with pytest.raises(ProtocolViolation, match="ends at"):
            await anext(stream)


@pytest.fixture
def no_certificates(tmp_path: Path) -> dict[str, str]:
    """An environment that names a file of certificates which isn't there."""
    return {**os.environ, "SSL_CERT_FILE": str(tmp_path / "missing.pem")}


READ = """
import asyncio, sys
from streamlanes import clients
from streamlanes.clients import Options
async def main():
    for client in clients.discover().values():
        try:
            async with asyncio.timeout(10), client.connect(sys.argv[1], options=Options(attempts=1)) as stream:
                await anext(stream)
        except Exception as error:
            print(type(error).__name__, error)
asyncio.run(main())
"""


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_certificates_are_needed_for_https_only(scheme: str, no_certificates: dict[str, str]) -> None:
    run = subprocess.run(
        [sys.executable, "-c", READ, f"{scheme}://127.0.0.1:9/sse/x"],
        env=no_certificates, capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    lines = run.stdout.splitlines()
    assert len(lines) == len(CLIENTS)
    for line in lines:
        if scheme == "http":
            assert line.startswith("StreamLost gave up after 1 attempts")  # nobody listens there
        else:
            assert line.startswith("ValueError the certificates can't be read")
            assert f"SSL_CERT_FILE={no_certificates['SSL_CERT_FILE']}" in line
