"""uvicorn's HTTP protocol with httptools, with bounds on what a client may make it hold, and with ready bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from uvicorn._types import ASGI3Application, ASGISendEvent
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from streamlanes.transports.outlet import DEFERRED, OUTLET, Owner
from streamlanes.transports.packing import LAST_CHUNK
from streamlanes.transports.server.reset import reset

MAX_HEAD: Final = 64 * 1024
"""Bytes of a request's line and headers, or of the trailers and chunk extensions between two pieces of a body."""
HEAD_SECONDS: Final = 30.0
"""How long a request's line and headers may take to come."""
MAX_PIPELINED: Final = 100
"""Requests that may wait for the one before them to be answered."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's, which keeps whatever a client sends of headers, trailers and further requests."""

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
            self.close()
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
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.close)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def close(self) -> None:
        """Close the connection once all has been sent."""
        self.transport.close()


class Cycle(RequestResponseCycle):
    """uvicorn's, but that a response's beginning may be kept until its body is there (see DEFERRED)."""

    deferred: list[tuple[bytes, bytes]] | None = None

    async def send(self, message: ASGISendEvent) -> None:
        """Send, or keep the headers."""
        if DEFERRED not in message:
            await super().send(message)
        elif not self.disconnected:
            self.response_started = True
            self.deferred = list(message["headers"])  # type: ignore[typeddict-item] # of a response's start


class HTTPProtocol(BoundedProtocol):
    """The same as a ResponseOutlet."""

    _running: Cycle
    """The request that is being answered; `cycle` is the last one that came."""
    _owner: Owner | None = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        cycle.__class__ = Cycle  # uvicorn makes it where there is no place for another class
        self._running = cycle  # type: ignore[assignment] # it is one now
        extensions: dict[str, object] = {OUTLET: self}
        cycle.scope["extensions"] = extensions  # type: ignore[typeddict-item] # uvicorn has none for HTTP
        super()._start_asgi_task(cycle, app)

    @property
    def sender(self) -> object:
        """As `Outlet.sender`."""
        return self._running

    @property
    def free(self) -> bool:
        """As `Outlet.free`."""
        running = self._running
        return not (
            running.more_body
            or running.response_complete
            or running.disconnected
            or self.flow.write_paused
            or self.transport.is_closing()
        )

    def take(self, owner: Owner) -> Callable[[bytes], None] | None:
        """As `Outlet.take`; what only the request has needed is let go."""
        running = self._running
        open_ended = running.chunked_encoding and running.scope["method"] != "HEAD"
        if not (open_ended or running.deferred is not None) or not self.free:
            return None
        self._owner = owner
        running.disconnected = True  # to uvicorn, so that it takes the app's return for no error
        if self.scope is running.scope:  # else they are the next request's, which has begun to come
            self.scope = {}  # type: ignore[typeddict-item] # nobody reads it any more
            self.headers = []
            self.url = b""
        running.scope = {}  # type: ignore[typeddict-item] # as above
        running.body = bytearray()
        self.flow.resume_reading()  # a further request has stopped it: the client's leaving would go unnoticed
        return self.transport.write

    def answer(self, body: bytes, *, status: int = 200, media_type: str | None = None) -> None:
        """As `ResponseOutlet.answer`."""
        running = self._running
        headers = running.deferred or []
        if media_type is not None:
            kept = [header for header in headers if header[0] != b"content-type"]
            headers = [(b"content-type", media_type.encode()), *kept]
        lines = _lines((*self.server_state.default_headers, *headers))
        closes = b"" if running.keep_alive else b"connection: close\r\n"
        head = b"%b%b%bcontent-length: %d\r\n\r\n" % (STATUS_LINE[status], lines, closes, len(body))
        self.transport.write(head + body)
        self._complete()

    def end(self, code: int) -> None:
        """As `Outlet.end`."""
        self.transport.write(LAST_CHUNK)
        self._complete()

    def _complete(self) -> None:
        self._owner = None
        self._running.response_complete = True
        self._running.message_event.set()
        if not self._running.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def abort(self) -> None:
        """As `Outlet.abort`."""
        reset(self.transport)
        self._tell_lost()

    def close(self) -> None:
        """Close the connection once all has been sent."""
        super().close()
        self._tell_lost()

    def data_received(self, data: bytes) -> None:
        """Parse; what can't be parsed closes the connection."""
        super().data_received(data)
        if self._owner is not None:
            if self.transport.is_closing():
                self._tell_lost()
            elif len(self.cycle.body) <= HIGH_WATER_LIMIT:  # of a further request, whose app would ask for more
                self.flow.resume_reading()

    def handle_websocket_upgrade(self) -> None:
        """Change the protocol, unless an answer of this one isn't done."""
        if self._is_answering():
            self.close()
        else:
            super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Answer what can't be parsed, unless that would be in the middle of another answer."""
        if self._is_answering() and self._running.response_started:
            self.close()
        else:
            super().send_400_response(msg)

    def _is_answering(self) -> bool:
        running = getattr(self, "_running", None)
        return running is not None and not running.response_complete

    def eof_received(self) -> None:
        """Let the transport close."""
        self._tell_lost()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who still works on an answer; uvicorn tells only the app of the last request that came."""
        super().connection_lost(exc)
        self._tell_lost()
        if self._is_answering():
            self._running.disconnected = True
            self._running.message_event.set()

    def pause_writing(self) -> None:
        """Tell the owner."""
        super().pause_writing()
        if self._owner is not None:
            self._owner.paused()

    def resume_writing(self) -> None:
        """Tell the owner."""
        super().resume_writing()
        if self._owner is not None:
            self._owner.resumed()

    def _tell_lost(self) -> None:
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.lost()


@lru_cache(maxsize=64)
def _lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Return the header lines, checked as uvicorn checks them; answers of a kind have the same."""
    for name, value in headers:
        if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
            raise RuntimeError(f"a header named {name!r} can't be sent")
    return b"".join(b"%b: %b\r\n" % (name.lower(), value) for name, value in headers)
