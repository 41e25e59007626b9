"""Servers for tests: the real app under the real uvicorn on port 0, in this process or in one of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI

from streamlanes.transports.server.uvicorn_server import bind, server, url_of
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.transport import Transport


class Hasty:
    """asyncio for uvicorn's server, which looks ten times a second whether it is to end, and sleeps as long while it
    does: seconds and seconds, with hundreds of servers.
    """

    def __getattr__(self, name: str) -> object:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 20)


vars(uvicorn.server)["asyncio"] = Hasty()


@asynccontextmanager
async def serving(service: StreamService, transports: Sequence[Transport] | None = None) -> AsyncIterator[str]:
    """Serve *service* on this event loop, so that a test can also look into it; gives the base URL."""
    ready = asyncio.Event()
    lanes = server(service, ready.set, transports, linger=0)
    async with running(lanes, ready) as url:
        try:
            yield url
        finally:
            lanes.hurry()  # what still runs need not come to its end


@asynccontextmanager
async def serving_app(app: FastAPI) -> AsyncIterator[str]:
    """Serve an app as uvicorn does by itself; gives the base URL."""
    ready = asyncio.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready.set()

    async with running(Server(uvicorn.Config(app, log_level="warning")), ready) as url:
        yield url


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


@contextmanager
def serve_process(*arguments: str, env: Mapping[str, str] | None = None) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `streamlanes serve --port 0`; gives the base URL and the process, which ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlanes", "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on http://"), process.communicate(timeout=10)
        yield line.split()[-1], process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)
