"""uvicorn's protocols, with bounds on what a client may make them hold."""

from __future__ import annotations

import asyncio
from typing import Final, Literal, cast

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError:  # httptools isn't installed; h11 has bounds of its own
    HTTP_PROTOCOL: type[asyncio.Protocol] | Literal["h11"] = "h11"
else:
    MAX_HEAD: Final = 64 * 1024
    """Bytes of a request's line and headers, or of the trailers and chunk extensions between two pieces of a body."""
    HEAD_SECONDS: Final = 30.0
    """How long a request's line and headers may take to come."""
    MAX_PIPELINED: Final = 100
    """Requests that may wait for the one before them to be answered."""

    class HTTPProtocol(HttpToolsProtocol):
        """uvicorn's with httptools, which keeps whatever a client sends of headers, trailers and further requests."""

        _unread = 0
        _in_head = False
        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
            """Begin to wait for a request."""
            super().connection_made(transport)
            self._await_head()

        def connection_lost(self, exc: Exception | None) -> None:
            """Wait no more."""
            self._head_came()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            """Parse, and end the connection if that only makes what is held grow."""
            self._unread += len(data)
            super().data_received(data)
            if self.transport.is_closing() or self.transport.get_protocol() is not self:
                self._head_came()
            elif self._unread > MAX_HEAD or len(self.pipeline) > MAX_PIPELINED:
                self._head_came()
                if getattr(self.cycle, "response_complete", True):  # None before the first
                    self.send_400_response("Too long headers, or too many requests at once.")
                self.transport.close()
            elif self._in_head and self._head_timer is None:
                self._await_head()

        def on_message_begin(self) -> None:
            """Note that headers are to come."""
            self._in_head = True
            super().on_message_begin()

        def on_header(self, name: bytes, value: bytes) -> None:
            """Keep a header, but no trailer."""
            if self._in_head:
                super().on_header(name, value)

        def on_headers_complete(self) -> None:
            """Note that the body is to come."""
            self._in_head = False
            self._unread = 0
            self._head_came()
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            """Pass on a piece of the body."""
            self._unread = 0
            super().on_body(body)

        def on_message_complete(self) -> None:
            """Note that another request may come."""
            self._unread = 0
            super().on_message_complete()

        def _await_head(self) -> None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

        def _head_came(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

    HTTP_PROTOCOL = HTTPProtocol


PART: Final = 4096
"""Bytes of a WebSocket that are taken apart at once."""

_NOTHING: Final = memoryview(b"")


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, but for what a client can do wrong."""

    _held = _NOTHING

    def data_received(self, data: bytes) -> None:
        """Pass the bytes on, as far as the app has taken what came before.

        All at once, what one read brings would be some 40,000 empty messages, of more than a hundred times its size.
        """
        self._held = memoryview(bytes(self._held) + data)
        self._take_apart()

    async def receive(self) -> ASGIReceiveEvent:
        """Return the next message; between parts, others have their turn."""
        if self._held and self.queue.empty():
            await asyncio.sleep(0)
            self._take_apart()
        message = await self.queue.get()
        if self.read_paused and not self._held and self.queue.empty():
            self.read_paused = False
            self.transport.resume_reading()
        return message

    def _take_apart(self) -> None:
        while self._held and (self.close_sent or self.queue.empty()) and not self.transport.is_closing():
            part, self._held = self._held[:PART], self._held[PART:]
            self._part_received(bytes(part))
        if self.transport.is_closing():
            self._held = _NOTHING
        elif self._held and not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def _part_received(self, data: bytes) -> None:
        """Pass the bytes on; a handshake that can't be read, such as one with too long a header, is answered."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.handshake_complete = True
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            self.transport.close()

    async def send(self, message: ASGISendEvent) -> None:
        """Pass the message on; a refusal is complete with its last part, which uvicorn else logs as the app's error."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True
        if self.close_sent:
            self._take_apart()  # nothing but the client's own close counts any more

    def handle_cont(self, event: Frame) -> None:
        """Put a fragment behind those before it: a list of a great many small ones would be many times their size."""
        message: bytes | bytearray = cast("bytes | bytearray", self.frames[0])
        if not isinstance(message, bytearray):
            message = bytearray(message)
            self.frames = [cast("bytes", message)]  # is decoded and joined as bytes are
        message += event.data
        if event.fin:
            self.send_receive_event_to_app()

    def handle_ping(self) -> None:
        """Answer a ping, unless its sender doesn't read: what is to be sent would grow with each (RFC 6455, 5.5.3)."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def send_receive_event_to_app(self) -> None:
        """Pass a message on; a text that isn't UTF-8 closes with 1007, and without a traceback in the log."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.fail(1007, "a text that isn't UTF-8")
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()
