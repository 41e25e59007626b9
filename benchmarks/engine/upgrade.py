"""A WebSocket's connection at the level of bytes: aiohttp makes it and its handshake, and lets go of it then."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp.http import WebSocketWriter
from yarl import URL

from benchmarks.engine.decoding import Fault
from benchmarks.engine.http import check

READ_AHEAD: Final = 2**16
"""Bytes; above twice as many that nobody has taken, reading stops, and TCP's flow control holds the server."""
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3


@dataclass(frozen=True, slots=True)
class _Feed:
    """What aiohttp's connection hands its bytes to, in the place of its own WebSocket parser."""

    content: aiohttp.StreamReader

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.content.feed_data(data)
        return False, b""

    def feed_eof(self) -> None:
        self.content.feed_eof()


@dataclass(frozen=True, slots=True)
class Socket:
    """An open WebSocket."""

    content: aiohttp.StreamReader
    """What the server sends, frames and all."""
    _writer: WebSocketWriter

    async def send(self, text: str) -> None:
        """Send a text message."""
        await self._writer.send_frame(text.encode(), aiohttp.WSMsgType.TEXT)

    async def pong(self, payload: bytes) -> None:
        """Answer a ping."""
        await self._writer.send_frame(payload, aiohttp.WSMsgType.PONG)

    async def close(self, code: int) -> None:
        """Send a close, or answer one."""
        await self._writer.send_frame(code.to_bytes(2, "big"), aiohttp.WSMsgType.CLOSE)


@asynccontextmanager
async def upgraded(http: aiohttp.ClientSession, url: URL) -> AsyncIterator[Socket]:
    """Open a WebSocket without extensions at *url* (http), and drop its connection at the end of the block.

    Raises Fault if the server refuses, and what aiohttp raises.
    """
    key = base64.b64encode(secrets.token_bytes(16))
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key.decode(),
    }
    response = await http.get(url, headers=headers)
    try:
        await check(response, HTTPStatus.SWITCHING_PROTOCOLS)
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()  # noqa: S324 (RFC 6455 wants SHA-1)
        connection = response.connection
        protocol = None if connection is None else connection.protocol
        if protocol is None or protocol.transport is None or response.headers.get("Sec-WebSocket-Accept") != accept:
            raise Fault("the server's WebSocket handshake is wrong")
        content = aiohttp.StreamReader(protocol, READ_AHEAD, loop=asyncio.get_running_loop())
        protocol.set_parser(_Feed(content), content)
        yield Socket(content, WebSocketWriter(protocol, protocol.transport, use_mask=True))
    finally:
        response.close()
