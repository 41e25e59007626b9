"""The page's server, beside the relays in one event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import httpx
import uvicorn
from starlette.types import ASGIApp

from streamlanes.demos.control import create_control
from streamlanes.demos.crowd import CrowdProcess
from streamlanes.demos.stage import staged


async def show(listener: socket.socket, chosen: Sequence[str], ready: Callable[[], None]) -> None:
    """Show the lanes *chosen* on a page at *listener* until cancelled; *ready* is called once it can be opened.

    Raises ProcessError if the server under show doesn't start.
    """
    port = listener.getsockname()[1]
    origins = [f"http://127.0.0.1:{port}", f"http://localhost:{port}"]
    async with staged(origins) as stage, httpx.AsyncClient(trust_env=False) as http:
        with CrowdProcess(stage.folder) as crowd:
            await serve(create_control(stage, crowd, http, chosen), listener, ready)


async def serve(app: ASGIApp, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve *app* until cancelled; requests that run then have a second to end."""
    server = PageServer(app, ready)
    serving = asyncio.create_task(server.serve([listener]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await serving


class PageServer(uvicorn.Server):
    """uvicorn, but: says when it is ready, and leaves signals to whoever runs it."""

    def __init__(self, app: ASGIApp, ready: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            access_log=False,  # it would tell sessions' ids
            log_config=None,
            log_level="warning",
            server_header=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)
        self._ready = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving, then say so."""
        await super().startup(sockets)
        self._ready()
