"""Requests on bare sockets, for what no client would send, and what a server holds."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

import httpx

from streamlanes.contract.serving import serving
from streamlanes.producers.wire import WEBSOCKET
from streamlanes.transports import StreamService, Transport

TIMEOUT: Final = 15.0
UPGRADE: Final = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n"
)


def get(target: str, headers: str = "", *, version: str = "1.1") -> bytes:
    """A request, with *headers* each ended by CRLF."""
    return f"GET {target} HTTP/{version}\r\nHost: localhost\r\n{headers}\r\n".encode("latin-1")


def read_request(transport: Transport, stream: str, query: str = "", headers: str = "") -> bytes:
    """What a reader of a lane sends: for a WebSocket the handshake."""
    return get(f"/{transport.name}/{stream}?{query}", headers + (UPGRADE if transport.wire == WEBSOCKET else ""))


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bool = True, rsv: int = 0) -> bytes:
    """A WebSocket frame as a client sends it, unless told otherwise (RFC 6455 §5.2)."""
    length = len(payload)
    if length < 126:
        size = bytes([length])
    elif length < 1 << 16:
        size = b"\x7e" + struct.pack("!H", length)
    else:
        size = b"\x7f" + struct.pack("!Q", length)
    head = bytes([fin << 7 | rsv << 4 | opcode, size[0] | mask << 7]) + size[1:]
    key = b"\x1f\x2e\x3d\x4c"
    if not mask:
        return head + payload
    repeated = (key * (length // 4 + 1))[:length]
    return head + key + (int.from_bytes(payload) ^ int.from_bytes(repeated)).to_bytes(length)


@asynccontextmanager
async def connected(url: str, *data: bytes) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that has sent *data*, reset at the end."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 24)
    try:
        for piece in data:
            writer.write(piece)
        await writer.drain()
        yield reader, writer
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def status_of(reader: asyncio.StreamReader) -> int:
    """The status of the response whose head comes next."""
    async with asyncio.timeout(TIMEOUT):
        head = await reader.readuntil(b"\r\n\r\n")
    return int(head.split(b" ")[1])


async def reply(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """The response whose head comes next, and its body as far as it has a length."""
    async with asyncio.timeout(TIMEOUT):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return int(line.split(" ")[1]), headers, body


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the connection ends, however it ends."""
    received = b""
    async with asyncio.timeout(TIMEOUT):
        with suppress(ConnectionError):
            while piece := await reader.read(1 << 16):
                received += piece
    return received


async def until(condition: Callable[[], bool]) -> None:
    """Return when *condition* holds, which must be soon."""
    async with asyncio.timeout(TIMEOUT):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def served(service: StreamService) -> AsyncIterator[tuple[str, httpx.AsyncClient]]:
    """Serve *service*, which ends without a drain; gives the base URL, and a client of it."""
    service.settings = service.settings.model_copy(update={"drain": 0.0})
    async with (
        serving(service) as url,
        httpx.AsyncClient(base_url=url, timeout=TIMEOUT, trust_env=False) as http,
    ):
        yield url, http


async def start(http: httpx.AsyncClient, producer: str, **params: object) -> str:
    """A new session's id."""
    response = await http.post("/start", json={"producer": producer, "params": params})
    assert response.status_code == 201, response.text
    return str(response.json()["session_id"])


def tasks() -> int:
    """How many tasks there are, but for sse-starlette's one that waits for the process to end."""
    return sum("_shutdown_watcher" not in repr(task) for task in asyncio.all_tasks())
