"""The ways in which a lane's bytes get out, each of which must keep what the lane promises.

Under this project's own server they go straight to its sockets. Where a middleware wraps ASGI's `send` they go through
that, and under a plain uvicorn through uvicorn's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamlanes.transports.outlet import OUTLET


def as_it_is(app: ASGIApp) -> ASGIApp:
    """Return *app*."""
    return app


def under_uvicorn(app: ASGIApp) -> ASGIApp:
    """Return *app* as it is under a server that has no extensions of ours."""

    async def without(scope: Scope, receive: Receive, send: Send) -> None:
        if "extensions" in scope:
            scope["extensions"] = {name: value for name, value in scope["extensions"].items() if name != OUTLET}
        await app(scope, receive, send)

    return without


def wrapped(app: ASGIApp) -> ASGIApp:
    """Return *app* in a middleware that sees all that it sends."""

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def seen(message: Message) -> None:
            await send(message)

        await app(scope, receive, seen)

    return watched


WAYS: Final[Mapping[str, Callable[[ASGIApp], ASGIApp]]] = {
    "direct": as_it_is,
    "uvicorn": under_uvicorn,
    "wrapped": wrapped,
}
"""What stands around the app, by the way that its bytes take."""
