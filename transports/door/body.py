"""A bound on a request's body: its bytes, and the time that it takes to come."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamlanes.transports.problems import problem

BODY_SECONDS: Final = 30.0
"""How long a body that isn't complete may be silent."""


class BodyLimit:
    """ASGI middleware: a longer body is answered 413, at once where its length is told, else when it has come so far.

    Once a body is too long, or too slow (408), the app is told that its client has gone, and nothing of what it
    answers is sent; an answer that has begun is cut. So it holds for routes too that don't read their body, such as
    those of the lanes, which only wait for their client to go.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, *, seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "0")
        if declared in {"0", ""} and "transfer-encoding" not in headers:
            await self._app(scope, receive, send)
        elif declared.isdecimal() and int(declared[:20]) > self._max_bytes:
            await self._too_long()(scope, receive, send)
        else:
            await self._bounded(scope, receive, send)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        received, complete, started = 0, False, False
        refusal: ASGIApp | None = None

        async def counted() -> Message:
            nonlocal received, complete, refusal
            if refusal is not None:
                return {"type": "http.disconnect"}
            try:
                async with asyncio.timeout(None if complete else self._seconds):
                    message = await receive()
            except TimeoutError:
                refusal = problem(
                    408, "the rest of the body didn't come; send it again", headers={"Connection": "close"}
                )
                return {"type": "http.disconnect"}
            received += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if received > self._max_bytes:
                refusal = self._too_long()
                return {"type": "http.disconnect"}
            return message

        async def unless_refused(message: Message) -> None:
            nonlocal started
            if refusal is None or started:
                started = True
                await send(message)

        try:
            await self._app(scope, counted, unless_refused)
        except ClientDisconnect:
            if refusal is None:
                raise
        if refusal is not None and not started:
            await refusal(scope, receive, send)

    def _too_long(self) -> ASGIApp:
        return problem(413, f"a request's body may have {self._max_bytes} bytes; send less at once")
