"""The demo's page server on port 0, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from streamlanes.demos.control import create_control
from streamlanes.demos.crowd import CrowdProcess
from streamlanes.demos.serving import PageServer
from streamlanes.demos.stage import Stage, staged
from streamlanes.transports.server.uvicorn_server import bind, url_of

DEADLINE: Final = 45.0
CHOSEN: Final = ["sse", "ws", "poll"]


class Demo:
    """A client of the API, and what is behind it."""

    def __init__(self, stage: Stage, crowd: CrowdProcess, http: httpx.AsyncClient) -> None:
        self.stage = stage
        self.crowd = crowd
        self.http = http

    async def run(self, producer: str, **params: object) -> dict[str, Any]:
        """Start a stream."""
        answer = await self.http.post("/api/runs", json={"producer": producer, "params": params})
        assert answer.status_code == 201, answer.text
        started: dict[str, Any] = answer.json()
        return started

    async def telemetry(self, **query: str | int) -> dict[str, Any]:
        """Ask for it."""
        answer = await self.http.get("/api/telemetry", params=query)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told


@asynccontextmanager
async def demonstrating(folder: Path) -> AsyncIterator[Demo]:
    """Run all of it until the block ends."""
    ready = asyncio.Event()
    with bind("127.0.0.1", 0) as listener, CrowdProcess(folder) as crowd:
        url = url_of(listener)
        async with (
            asyncio.timeout(DEADLINE),
            staged([url]) as stage,
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=DEADLINE) as http,
            asyncio.TaskGroup() as tasks,
        ):
            server = PageServer(create_control(stage, crowd, http, CHOSEN), ready.set)
            tasks.create_task(server.serve([listener]))
            await ready.wait()
            try:
                yield Demo(stage, crowd, http)
            finally:
                server.should_exit = True


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again; the block of the demo has the deadline."""
    while not await condition():
        await asyncio.sleep(0.02)
