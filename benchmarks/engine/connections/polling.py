"""Requests at the level of bytes: aiohttp makes the connection, and lets go of it then.

Of a small poll's cost, most was the client library's: a request and a response object with all that they can do.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp
from yarl import URL

from streamlanes.benchmarks.engine.connections.http import UNAVAILABLE
from streamlanes.benchmarks.engine.connections.upgrade import READ_AHEAD, Feed
from streamlanes.benchmarks.engine.decoding.decoder import LONGEST, Lost, ReadingFailed
from streamlanes.benchmarks.engine.recorder import Recorder

_STATUS: Final = re.compile(rb"HTTP/1\.1 ([0-9]{3})[ \r]")
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,10})[ \t]*\r\n", re.IGNORECASE)
MAX_ANSWER: Final = 8 * 1024 * 1024 + LONGEST
"""Bytes of a response, as for the clients."""
CLOSED: Final = "the server closed the connection before the end"


@dataclass(frozen=True, slots=True)
class Poller:
    """A connection that is kept alive; one request at a time."""

    content: aiohttp.StreamReader
    transport: asyncio.Transport
    head: bytes
    """What follows a request's line, always the same."""

    async def get(self, target: str) -> bytes:
        """Return the body of a response with 200 and a length, which polls have. Raises ReadingFailed (Lost, where
        another connection may do better).
        """
        self.transport.write(b"GET %b HTTP/1.1\r\n%b" % (target.encode(), self.head))
        head = await self.content.readuntil(b"\r\n\r\n")
        if not head.endswith(b"\r\n\r\n"):
            raise Lost(CLOSED)
        status, length = _STATUS.match(head), _LENGTH.search(head)
        if status is None or length is None:
            raise ReadingFailed(f"not a response that has a length: {head[:200]!r}")
        if int(length[1]) > MAX_ANSWER:
            raise ReadingFailed(f"a response of {int(length[1]):,} bytes; a poll's has {MAX_ANSWER:,} at most")
        try:
            body = await self.content.readexactly(int(length[1]))
        except asyncio.IncompleteReadError:
            raise Lost(CLOSED) from None
        if int(status[1]) != HTTPStatus.OK:
            route = target.split("/")[1]  # what follows may be a session's id, which is a secret
            kind = Lost if int(status[1]) in UNAVAILABLE else ReadingFailed
            raise kind(f"GET /{route}: {int(status[1])}, not 200: {body[:400].decode(errors='replace')}")
        return body


@asynccontextmanager
async def polling(http: aiohttp.ClientSession, url: URL, recorder: Recorder) -> AsyncIterator[Poller]:
    """Connect to the server of *url*, and drop the connection at the end of the block. Raises what aiohttp raises."""
    if http.connector is None:
        raise RuntimeError("the session is closed")
    loop = asyncio.get_running_loop()
    started_ns = time.monotonic_ns()
    request = aiohttp.ClientRequest("GET", url, loop=loop)
    connection = await http.connector.connect(request, [], aiohttp.ClientTimeout(total=None))
    recorder.connect_ns += time.monotonic_ns() - started_ns
    try:
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None:
            raise Lost(CLOSED)
        content = aiohttp.StreamReader(protocol, READ_AHEAD, loop=loop)
        protocol.set_parser(Feed(content), content)
        head = f"Host: {request.headers['Host']}\r\nAccept: application/json\r\nAccept-Encoding: identity\r\n\r\n"
        yield Poller(content, transport, head.encode())
    finally:
        connection.close()
