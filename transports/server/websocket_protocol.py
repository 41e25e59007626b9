"""uvicorn's WebSocket protocol, with bounds on what a client may make it hold, and with ready bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from streamlanes.transports.outlet import OUTLET, Owner
from streamlanes.transports.server.reset import reset

PART: Final = 4096
"""Bytes of a WebSocket that are taken apart at once."""

_NOTHING: Final = memoryview(b"")


class BoundedProtocol(WebSocketsSansIOProtocol):
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
        self._read_on()
        return message

    def _read_on(self) -> None:
        if self.read_paused and not self._held and self.queue.empty():
            self.read_paused = False
            self.transport.resume_reading()

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


class _Told:
    """Stands in for the queue of what the app would receive, once the connection has an owner: who is told at once.

    Not empty while no more should come: others have their turn between two parts of what a client sends, and an owner
    that has to answer waits for its client to take the answers.
    """

    def __init__(self, owner: Owner, go_on: Callable[[], object]) -> None:
        self.owner: Owner | None = owner
        self.stuck = False
        """Whether the owner has had to answer what its client doesn't take."""
        self._go_on = go_on
        self._full = False

    def put_nowait(self, event: ASGIReceiveEvent) -> None:
        if self.owner is None:
            return
        if event["type"] != "websocket.receive":
            self.tell_lost()
            return
        self.stuck = not self.owner.received(event)
        if not self._full:
            self._full = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def empty(self) -> bool:
        return not self._full

    def make_room(self) -> None:
        self._full = False

    def let_go(self) -> Owner | None:
        owner, self.owner = self.owner, None
        return owner

    def tell_lost(self) -> None:
        if (owner := self.let_go()) is not None:
            owner.lost()


class WebSocketProtocol(BoundedProtocol):
    """The same as an Outlet."""

    _told: _Told | None = None
    """What there is instead of `queue`, once it is taken over."""

    async def run_asgi(self) -> None:
        """Run the app. Its return is the connection's end, unless somebody has taken that over."""
        extensions: dict[str, object] = self.scope["extensions"]  # type: ignore[assignment] # any extension's value
        extensions[OUTLET] = self
        try:
            await self.app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except BaseException:  # as uvicorn, above which there is nobody: a cancelled call is its connection's end too
            self.logger.exception("Exception in ASGI application\n")
            self.send_500_response()
            self.close()
        else:
            if not self.handshake_complete:
                self.logger.error("ASGI callable returned without completing handshake.")
                self.send_500_response()
        if self._told is None and self.close_timer is None:
            self.transport.close()

    @property
    def sender(self) -> object:
        """As `Outlet.sender`."""
        return self

    @property
    def free(self) -> bool:
        """As `Outlet.free`."""
        over = self.close_sent or self.disconnected or self.transport.is_closing()
        return not over and self.writable.is_set()

    def take(self, owner: Owner) -> Callable[[bytes], None] | None:
        """As `Outlet.take`; what only the handshake has needed is let go."""
        if not self.free or not self.handshake_complete or self.conn.extensions:
            return None
        came = self.queue
        self._told = _Told(owner, self._go_on)
        self.queue = self._told  # type: ignore[assignment] # it has what uvicorn's methods use of a queue
        self.scope = {}  # type: ignore[typeddict-item] # nobody reads it any more
        del self.request, self.response
        self.loop.call_soon(self._tell_what_came, came)
        return self.transport.write

    def _tell_what_came(self, came: asyncio.Queue[ASGIReceiveEvent]) -> None:
        while not came.empty():
            self.queue.put_nowait(came.get_nowait())
        self._go_on()

    def _go_on(self) -> None:
        """Take the next part of what has come, now that others had their turn."""
        if self._told is None or (self._told.stuck and not self.writable.is_set() and not self.close_sent):
            return
        self._told.make_room()
        self._take_apart()
        self._read_on()

    def resume_writing(self) -> None:
        """Tell the owner, and take what its client has sent."""
        super().resume_writing()
        if self._told is not None and (owner := self._told.owner) is not None:
            owner.resumed()
            self._go_on()

    def pause_writing(self) -> None:
        """Tell the owner."""
        super().pause_writing()
        if self._told is not None and (owner := self._told.owner) is not None:
            owner.paused()

    def end(self, code: int) -> None:
        """As `Outlet.end`: the client's own close, or some seconds, close the connection."""
        if self._told is None or self._told.let_go() is None or self.transport.is_closing():
            return
        self.conn.send_close(code)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)
        self._go_on()

    def abort(self) -> None:
        """As `Outlet.abort`."""
        reset(self.transport)
        self._tell_lost()

    def close(self) -> None:
        """Close the connection once all has been sent."""
        self.transport.close()
        self._tell_lost()

    def eof_received(self) -> None:
        """Let the transport close."""
        self._tell_lost()

    def _tell_lost(self) -> None:
        if self._told is not None:
            self._told.tell_lost()
