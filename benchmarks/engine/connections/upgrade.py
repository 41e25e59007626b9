"""WebSockets at the level of bytes: aiohttp makes the connection and the handshake, and hands over what comes then."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol

import aiohttp
from aiohttp.http import WebSocketWriter
from yarl import URL

from streamlanes.benchmarks.engine.connections.http import check
from streamlanes.benchmarks.engine.decoding.decoder import Events, Lost, Position, ReadingFailed
from streamlanes.benchmarks.engine.decoding.gathering import gather
from streamlanes.benchmarks.engine.decoding.uniform_runs import UniformRun
from streamlanes.benchmarks.engine.decoding.websocket_frames import Frames
from streamlanes.benchmarks.engine.recorder import Recorder
from streamlanes.benchmarks.engine.sending import Sender, sending

READ_AHEAD: Final = 2**16
"""Bytes; above twice as many that nobody has taken, reading stops, and TCP's flow control holds the server."""
_LOST: Final = {
    aiohttp.WSCloseCode.GOING_AWAY,
    aiohttp.WSCloseCode.ABNORMAL_CLOSURE,
    aiohttp.WSCloseCode.SERVICE_RESTART,
    aiohttp.WSCloseCode.TRY_AGAIN_LATER,
}
"""Codes after which another connection may do better; the second stands for none at all."""
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3


@dataclass(frozen=True, slots=True)
class Feed:
    """What aiohttp's connection hands its bytes to, in the place of a parser of its own."""

    content: aiohttp.StreamReader

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take *data*; never at an end, and nothing is left over."""
        self.content.feed_data(data)
        return False, b""

    def feed_eof(self) -> None:
        """Take the connection's end."""
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

    Raises ReadingFailed if the server refuses, and what aiohttp raises.
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
            raise ReadingFailed("the server's WebSocket handshake is wrong")
        content = aiohttp.StreamReader(protocol, READ_AHEAD, loop=asyncio.get_running_loop())
        protocol.set_parser(Feed(content), content)
        yield Socket(content, WebSocketWriter(protocol, protocol.transport, use_mask=True))
    finally:
        response.close()


class MessageDecoder(Protocol):
    """Turns messages into events."""

    place: Position

    def feed_all(self, messages: Iterable[bytes | UniformRun]) -> Events:
        """Return the events in *messages*. Raises ReadingFailed."""
        ...


async def read_messages(
    http: aiohttp.ClientSession,
    url: URL,
    decoder: MessageDecoder,
    recorder: Recorder,
    *,
    sender: Sender | None,
    to_close: bool = True,
) -> None:
    """Read the stream at *url* from its start to its end, and send what *sender* has meanwhile.

    With *to_close*, the server closes after the end, with 1000. Raises ReadingFailed (Lost, if the connection ended
    before the stream), and what aiohttp raises.
    """
    frames = Frames()
    try:
        async with upgraded(http, url) as socket, sending(sender, socket.send):
            async for chunk in socket.content.iter_any():
                received_ns = time.monotonic_ns()
                events = decoder.feed_all(frames.feed(chunk))
                recorder.take(received_ns, events)
                while frames.pings:
                    await socket.pong(frames.pings.pop(0))
                if frames.closed is not None or (decoder.place.outcome is not None and not to_close):
                    await socket.close(aiohttp.WSCloseCode.OK)
                    break
                if recorder.gathers:
                    gather(chunk, events)
    finally:
        recorder.close(decoder.place)
    code, reason = frames.closed or (aiohttp.WSCloseCode.ABNORMAL_CLOSURE, "")
    if decoder.place.outcome is None or (to_close and code != aiohttp.WSCloseCode.OK):
        ended = f"the server closed the WebSocket with {code:d} ({reason[:200]})"
        raise Lost(ended) if code in _LOST else ReadingFailed(ended)
