"""A service under a real uvicorn on port 0, on this event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from streamlanes.contract.ways import as_it_is
from streamlanes.transports import StreamService, Transport
from streamlanes.transports.server.uvicorn_server import bind, server, url_of


@asynccontextmanager
async def serving(
    service: StreamService,
    transports: Sequence[Transport] | None = None,
    *,
    around: Callable[[ASGIApp], ASGIApp] = as_it_is,
) -> AsyncIterator[str]:
    """Serve *service* on this event loop, so that a test can also look into it; gives the base URL.

    *around* is put around the app, as a middleware.
    """
    ready = asyncio.Event()
    lanes = server(service, ready.set, transports, linger=0)
    lanes.config.app = around(cast("ASGIApp", lanes.config.app))
    async with running(lanes, ready) as url:
        try:
            yield url
        finally:
            lanes.hurry()  # what still runs need not come to its end


@asynccontextmanager
async def running(server: uvicorn.Server, ready: asyncio.Event) -> AsyncIterator[str]:
    """Run *server* on port 0 until the block ends; gives the base URL."""
    with bind("127.0.0.1", 0) as listener:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(server._serve([listener]))  # serve() would take pytest's signal handlers
            waiting = tasks.create_task(ready.wait())
            await asyncio.wait([task, waiting], timeout=10, return_when=asyncio.FIRST_COMPLETED)
            assert waiting.done(), "the server didn't start"
            try:
                yield url_of(listener)
            finally:
                server.should_exit = True
