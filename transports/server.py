"""The app under uvicorn, in a process of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import uvicorn
from sse_starlette.sse import AppStatus

from transports.app import create_app
from transports.service import StreamService
from transports.transport import Transport

GRACE: Final = 3
"""Seconds that readers, and then connections, may take to end once the streams have, when the server stops."""

LINGER: Final = 0.5
"""Seconds for which it goes on answering after the streams have ended, for polls that are between two questions."""


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 picks a free one. Raises OSError."""
    family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server((host, port), family=family, backlog=2048)


def url_of(listener: socket.socket) -> str:
    """Return the URL that *listener* is reached at."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family is socket.AF_INET6 else f"http://{host}:{port}"


class LaneServer(uvicorn.Server):
    """uvicorn, but: says when it is ready, and ends the streams before it waits for their connections to close."""

    def __init__(
        self, config: uvicorn.Config, service: StreamService, ready: Callable[[], None], linger: float
    ) -> None:
        super().__init__(config)
        self._linger = linger
        self._service = service
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving, then say so."""
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End all streams, running ones as `orphaned`, let their readers take note, then stop."""
        await self._service.close()
        await asyncio.sleep(self._linger)
        # uvicorn closes WebSockets at once, before a reader that was just woken has sent its end.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._service.unread.wait(), GRACE)
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
        log_level="warning",
        server_header=False,
        ws="websockets-sansio",
        ws_per_message_deflate=False,  # off on every lane
        ws_ping_interval=None,  # heartbeats come from the read loop, on every lane
        timeout_keep_alive=65,  # longer than a poll may wait
        timeout_graceful_shutdown=GRACE,
    )
    return LaneServer(config, service, ready, linger)
