"""Who may read: limits, the drain, and what becomes of a reader that stops taking what is sent to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from streamlanes.producers.errors import Refused
from streamlanes.producers.wire import LONG_POLL, SSE, Wire
from streamlanes.transports.framing import retry_field
from streamlanes.transports.problems import refusal
from streamlanes.transports.service.connection import Connection
from streamlanes.transports.service.metrics import LaneMetrics
from streamlanes.transports.service.service import StreamService

logger = logging.getLogger("streamlanes")

POLL_PRESENCE: Final = 30.0
"""Seconds after its last response for which a poll's reader counts as present."""


class Admission:
    """ASGI middleware around the lanes: counts their readers, exactly, and turns away or drops who is too much.

    One place for all lanes, those of other packages too: a request to `/{lane}/{stream}` is a reader for as long as
    the app works on it.
    """

    def __init__(self, app: ASGIApp, service: StreamService, wires: Mapping[str, Wire]) -> None:
        self._app = app
        self._service = service
        self._wires = wires

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        lane, stream = _route(scope)
        wire = self._wires.get(lane)
        if wire is None:
            await self._app(scope, receive, send)
            return
        metrics = self._service.metrics.lane(lane)
        with ExitStack() as stack:
            try:
                stack.enter_context(
                    self._service.reading(stream, lingering=POLL_PRESENCE if wire == LONG_POLL else 0.0)
                )
            except Refused as refused:
                reason = "draining" if refused.status == 503 else "limit"
                metrics.dropped[reason] += 1
                logger.debug("reader dropped", extra={"lane": lane, "reason": reason})
                await turned_away(scope, wire, refused)(scope, receive, send)
                return
            await self._read(scope, receive, send, metrics)

    async def _read(self, scope: Scope, receive: Receive, send: Send, metrics: LaneMetrics) -> None:
        connection = Connection(scope, send)
        metrics.connections += 1
        metrics.opened += 1
        self._service.connections.add(connection)
        try:
            await self._app(scope, receive, connection.send)
        except asyncio.CancelledError:
            if not connection.dropped:
                raise
            connection.task.uncancel()  # it was ours, and ends here
        finally:
            if connection.dropped:
                metrics.dropped["slow"] += 1
                logger.info("reader dropped", extra={"lane": _route(scope)[0], "reason": "slow"})
            self._service.connections.discard(connection)
            metrics.connections -= 1


def turned_away(scope: Scope, wire: Wire, refused: Refused) -> Response:
    """Return the answer to a reader that can't be taken now.

    An EventSource gives up for good on any status but 200, so it gets an empty stream and the time to come back.
    """
    if wire == SSE and Headers(scope=scope).get("accept", "").strip() == "text/event-stream":
        return Response(
            retry_field(max(refused.retry_after, 1.0)),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
    return refusal(refused)


def _route(scope: Scope) -> tuple[str, str]:
    """Return the first two segments of the path below where the app is mounted."""
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    lane, _, stream = path.lstrip("/").partition("/")
    return lane, stream
