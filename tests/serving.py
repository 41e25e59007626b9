"""Servers for tests: the real app under the real uvicorn on port 0, in this process or in one of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI

from streamlanes.contract.serving import running
from streamlanes.transports import StreamService


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


@contextmanager
def serve_process(*arguments: str, env: Mapping[str, str] | None = None) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `streamlanes serve --port 0`; gives the base URL and the process, which ends with the block."""
    program = "tests.otherwise" if "STREAMLANES_TESTED_WAY" in os.environ else "streamlanes"
    process = subprocess.Popen(
        [sys.executable, "-m", program, "serve", "--port", "0", *arguments],
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


def said(log: str) -> list[str]:
    """The lines of a server's log, without what it tells of its start and, in the other way, of who wraps `send`."""
    return [line for line in log.splitlines() if not line.startswith("shared stream") and "wraps ASGI's" not in line]


@contextmanager
def reading(service: StreamService, stream: str, *, lingering: float = 0.0) -> Iterator[None]:
    """Count a reader of *stream* while the block runs."""
    leave = service.enter(stream, lingering=lingering)
    try:
        yield
    finally:
        leave()
