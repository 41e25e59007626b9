"""The app under uvicorn, in a process of its own."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Final

import uvicorn
from sse_starlette.sse import AppStatus

from transports.app import create_app
from transports.protocols import HTTP_PROTOCOL, WebSocketProtocol
from transports.service import StreamService
from transports.transport import Transport

STOP_SECONDS: Final = 1
"""Seconds that connections may take to close once their streams have ended, when the server stops."""

LINGER: Final = 0.5
"""Seconds for which it goes on answering after the streams have ended, for polls that are between two questions."""


def bind(host: str, port: int, *, send_timeout: float = 10.0) -> socket.socket:
    """Return a listening socket; port 0 picks a free one. Raises OSError.

    On Linux the kernel ends its connections, and frees what they hold, once their other end has taken or acknowledged
    nothing for *send_timeout* seconds (TCP_USER_TIMEOUT, tcp(7), which accepted sockets inherit): an application can't
    end an ASGI server's socket while there is something left to send.
    """
    family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.create_server((host, port), family=family, backlog=2048)
    if sys.platform == "linux":
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(send_timeout * 1000))
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the URL that *listener* is reached at."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family is socket.AF_INET6 else f"http://{host}:{port}"


class LaneServer(uvicorn.Server):
    """uvicorn, but: says when it is ready, and drains before it closes its listeners."""

    def __init__(
        self, config: uvicorn.Config, service: StreamService, ready: Callable[[], None], linger: float
    ) -> None:
        super().__init__(config)
        self._service = service
        self._ready = ready
        self._linger = linger
        self._hurry = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving, then say so."""
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; the second signal ends the draining."""
        if self.should_exit:
            self._loop.call_soon_threadsafe(self._hurry.set)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, end what still runs as `orphaned`, let its readers take note, then stop."""
        had_readers = bool(self._service.connections)
        draining = asyncio.create_task(self._service.drain())
        hurrying = asyncio.create_task(self._hurry.wait())
        await asyncio.wait([draining, hurrying], return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()
        hurrying.cancel()
        await self._service.close()
        if had_readers and not self._hurry.is_set():
            await asyncio.sleep(self._linger)  # uvicorn closes WebSockets at once, and polls come again
        await super().shutdown(sockets)


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
    config = uvicorn.Config(
        create_app(service, transports),
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
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return LaneServer(config, service, ready, linger)
