"""The app under uvicorn, in a process of its own."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Coroutine, Iterable
from types import FrameType
from typing import Final, Literal

import uvicorn
from sse_starlette.sse import AppStatus
from starlette.types import ASGIApp, Receive, Scope, Send

from streamlanes.transports.server.app import create_app
from streamlanes.transports.server.reset import reset
from streamlanes.transports.server.websocket_protocol import WebSocketProtocol
from streamlanes.transports.service.connection import ABORT
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.transport import Transport

try:
    from streamlanes.transports.server.httptools_protocol import HTTPProtocol
except ImportError:  # httptools isn't installed; h11 has bounds of its own
    HTTP_PROTOCOL: type[asyncio.Protocol] | Literal["h11"] = "h11"
else:
    HTTP_PROTOCOL = HTTPProtocol

STOP_SECONDS: Final = 0.5
"""Seconds that connections may take to close once their streams have ended, when the server stops."""

LINGER: Final = 0.5
"""Seconds for which it goes on answering after the streams have ended, for polls that are between two questions."""


LAST_WORDS: Final = 0.1
"""Seconds of these that there are also in a hurry, for readers to be told how their streams ended."""


def bind(host: str, port: int, *, send_timeout: float = 10.0, heartbeat: float = 15.0) -> socket.socket:
    """Return a listening socket; port 0 picks a free one. Raises OSError.

    On Linux the kernel ends its connections, and frees what they hold, once their other end has taken or acknowledged
    nothing for *send_timeout* seconds (TCP_USER_TIMEOUT, tcp(7), which accepted sockets inherit), also what is left to
    send of a response that the app is done with, such as a poll's. Where nothing is sent, since a poll waits or bare
    text has no pings, the kernel asks for a sign of life after a *heartbeat*'s silence (SO_KEEPALIVE).
    """
    family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.create_server((host, port), family=family, backlog=2048)
    # Accepted sockets inherit it. asyncio sets it only where a socket says that its protocol is TCP, which those of
    # `create_server` don't; uvloop always does. Without it, what is written in two goes waits for a delayed ACK, 40 ms.
    # See findings/asyncio-nodelay-of-create-server.sh.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sys.platform == "linux":
        seconds = min(max(round(heartbeat), 1), 32_767)  # the kernel's bounds
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(send_timeout * 1000))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, seconds)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the URL that *listener* is reached at."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family is socket.AF_INET6 else f"http://{host}:{port}"


class Abortable:
    """ASGI middleware, the outermost one, under uvicorn's own protocol for h11, which has no ready bytes: gives the app
    at least the means to end its connection at once (see `ABORT`).

    ASGI has none: a reader that takes nothing would keep its buffers for as long as it likes. uvicorn's `send` is a
    method of what holds the transport.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        if transport is not None:
            scope.setdefault("extensions", {})[ABORT] = lambda: reset(transport)
        await self._app(scope, receive, send)


class LaneServer(uvicorn.Server):
    """uvicorn, but: says when it is ready, and drains before it closes its listeners.

    It has stopped within the drain's time and 2 s more, whatever its readers do.
    """

    def __init__(
        self, config: uvicorn.Config, service: StreamService, ready: Callable[[], None], linger: float
    ) -> None:
        super().__init__(config)
        self._service = service
        self._ready = ready
        self._linger = linger
        self._hurry = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving, then say so."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; the second signal ends the draining.

        uvicorn's way to hurry, which a second SIGINT would be, leaves out the app's end.
        """
        if not self.should_exit:
            super().handle_exit(sig, frame)
        elif self._loop is not None:
            self._loop.call_soon_threadsafe(self.hurry)

    def hurry(self) -> None:
        """Let nothing that still runs come to its end."""
        self._hurry.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, end what still runs as `orphaned`, let its readers take note, then stop."""
        attended = self._service.attended
        try:
            await self._hurriedly(self._service.drain())
        finally:  # whatever comes of it, what runs is ended and the listeners are closed
            attended |= self._service.attended
            await self._service.close()
            if attended:  # uvicorn closes WebSockets at once, and polls come again
                await asyncio.sleep(min(self._linger, LAST_WORDS))
                await self._hurriedly(asyncio.sleep(self._linger - LAST_WORDS))
            async with asyncio.TaskGroup() as tasks:
                aborting = tasks.create_task(self._abort_connections())
                await super().shutdown(sockets)
                aborting.cancel()

    async def _hurriedly(self, work: Coroutine[None, None, None]) -> None:
        """Return when *work* is done; a second signal ends it."""
        async with asyncio.TaskGroup() as tasks:
            working = tasks.create_task(work)
            hurrying = tasks.create_task(self._hurry.wait())
            await asyncio.wait([working, hurrying], return_when=asyncio.FIRST_COMPLETED)
            working.cancel()
            hurrying.cancel()

    async def _abort_connections(self) -> None:
        """End those that don't close by themselves: their readers take nothing, or their requests never end.

        Left to uvicorn, their tasks would be cancelled, and each would log a traceback.
        """
        await asyncio.sleep(STOP_SECONDS)
        for connection in list(self.server_state.connections):
            reset(connection.transport)


def server(
    service: StreamService,
    ready: Callable[[], None],
    transports: Iterable[Transport] | None = None,
    *,
    linger: float = LINGER,
) -> LaneServer:
    """Return a server of *service* over *transports* (all), which calls *ready* once it serves.

    Uses uvloop and httptools where they are installed. No access log: paths carry session ids, and whoever has one
    may read the session.
    """
    # sse-starlette ends its responses by itself once uvicorn is told to stop; here the streams' end does that, on all
    # lanes alike. The switch is the process's, and a process with this server in it is ours.
    AppStatus.enable_automatic_graceful_drain = False
    app = create_app(service, transports)
    config = uvicorn.Config(
        app if HTTP_PROTOCOL != "h11" else Abortable(app),
        access_log=False,
        log_config=None,  # whoever runs it says where its log goes
        log_level="warning",
        server_header=False,
        http=HTTP_PROTOCOL,
        ws=WebSocketProtocol,
        ws_per_message_deflate=False,  # off on every lane
        ws_max_size=service.settings.max_body_bytes,  # a message over its own limit is refused, and its sender stays
        ws_ping_interval=None,  # heartbeats come from the read loop, on every lane
        timeout_keep_alive=65,  # longer than a poll may wait
        timeout_graceful_shutdown=1,  # more than STOP_SECONDS, so that it is never needed
    )
    return LaneServer(config, service, ready, linger)
