"""As little of HTTP/1.1 as the load engine needs: a request line, a body of known length, one write per answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

from streamlanes.producers.events import JSON

HEAD_END: Final = b"\r\n\r\n"
STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncache-control: no-store\r\ntransfer-encoding: chunked\r\n\r\n"
)

NORMAL_CLOSE: Final = b"\x88\x02\x03\xe8"
"""A WebSocket's close frame with code 1000."""

_KEY: Final = re.compile(rb"\r\nsec-websocket-key: *([0-9A-Za-z+/=]+)\r\n", re.IGNORECASE)
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)


class Request(NamedTuple):
    """What was asked for."""

    method: str
    path: str
    query: str
    head: bytes
    """Request line and headers as they came, with the lines' ends."""
    body: bytes


@dataclass(eq=False)
class Connection(asyncio.Protocol):
    """One client's connection. What is written to it waits without a bound: readers are the load engine's own."""

    answer: Callable[[Connection, Request], None]
    transport: asyncio.Transport | None = None
    taken: bool = False
    """It is no longer HTTP; whatever the client says next ends it."""
    on_lost: Callable[[Connection], None] | None = None
    _pending: bytes = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's isn't a subclass

    def connection_lost(self, exc: Exception | None) -> None:
        """Let who writes to it know."""
        self.transport = None
        if self.on_lost is not None:
            self.on_lost(self)

    def data_received(self, data: bytes) -> None:
        """Answer the requests that *data* completes."""
        if self.taken:
            self.close()
            return
        self._pending += data
        while (end := self._pending.find(HEAD_END)) >= 0:
            head = self._pending[: end + 2]
            length = _LENGTH.search(head)
            stop = end + len(HEAD_END) + (0 if length is None else int(length[1]))
            if len(self._pending) < stop:
                return
            body, self._pending = self._pending[end + len(HEAD_END) : stop], self._pending[stop:]
            method, target, _ = head.partition(b"\r\n")[0].decode("latin-1").split(" ", 2)
            path, _, query = target.partition("?")
            self.answer(self, Request(method, path, query, head, body))

    def write(self, data: bytes) -> None:
        """Send *data*, unless the client is gone."""
        if self.transport is not None:
            self.transport.write(data)

    def close(self) -> None:
        """Close after what has been written."""
        if self.transport is not None:
            self.transport.close()

    def respond(self, status: str, value: JSON) -> None:
        """Send *value* as JSON."""
        self.write(response(status, json.dumps(value, separators=(",", ":")).encode()))


def response(status: str, body: bytes) -> bytes:
    """Return a whole response of JSON."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def upgraded(connection: Connection, request: Request) -> bytes:
    """Take *connection* for a WebSocket's; returns the answer to its handshake, or to what isn't one."""
    key = _KEY.search(request.head)
    if key is None:
        return response("400 Bad Request", b"{}")
    connection.taken = True
    accept = base64.b64encode(hashlib.sha1(key[1] + _GUID).digest())  # noqa: S324 (RFC 6455 wants SHA-1)
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        b"sec-websocket-accept: %b\r\n\r\n" % accept
    )


@asynccontextmanager
async def listening(answer: Callable[[Connection, Request], None], port: int) -> AsyncIterator[str]:
    """Serve on loopback while the block runs; port 0: a free one. Yields the URL. Raises OSError."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(answer), "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def terminated() -> None:
    """Return when the process is asked to go (SIGTERM, SIGINT)."""
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    await asked.wait()
