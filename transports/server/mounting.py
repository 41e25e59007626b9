"""The lanes in somebody's own app."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

from fastapi import FastAPI
from starlette.types import Lifespan

from streamlanes.transports.door.authorization import Authorize
from streamlanes.transports.server.app import create_app
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.transport import Transport


def mount(
    app: FastAPI,
    path: str,
    service: StreamService,
    transports: Iterable[Transport] | None = None,
    *,
    authorize: Authorize | None = None,
) -> None:
    """Serve *service* under *path* of *app*, over *transports* (by default all); *app*'s lifespan runs it.

    The service begins after what the app's own lifespan does before its `yield`, and ends before what that does behind
    it. *path* is `/streams` or the like. Call it before the app starts. *authorize* and errors: see `create_app`.

    docs/deploying.md has the rest: leaving at SIGTERM, and the options that uvicorn needs.
    """
    own = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(running: FastAPI) -> AsyncIterator[Mapping[str, Any] | None]:
        async with own(running) as state, service:
            yield state

    app.mount(path, create_app(service, transports, authorize=authorize))
    app.router.lifespan_context = cast("Lifespan[FastAPI]", lifespan)  # which yields a state or None, as the own does
