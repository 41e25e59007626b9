"""Who may read: limits, the drain, and what becomes of a reader that stops taking what is sent to it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, Protocol

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from streamlanes.producers.errors import Refused
from streamlanes.producers.wire import LONG_POLL, SSE, WEBSOCKET, Wire
from streamlanes.transports.accept import is_event_source
from streamlanes.transports.door.authorization import selected_subprotocol
from streamlanes.transports.door.outgoing import live
from streamlanes.transports.framing import close_reason, retry_field
from streamlanes.transports.problems import problem, refusal
from streamlanes.transports.service.connection import CONNECTION, Connection
from streamlanes.transports.service.readers import RETRY_SECONDS
from streamlanes.transports.service.service import NOT_RUNNING, StreamService

logger = logging.getLogger("streamlanes")

TRY_AGAIN_LATER: Final = 1013
"""A WebSocket's close code (https://www.iana.org/assignments/websocket)."""
POLL_PRESENCE: Final = 30.0
"""Seconds after its last response for which a poll's reader counts as present."""


class Ahead(Protocol):
    """Answers a reader of a stream, or leaves it, untouched, to the app."""

    async def __call__(self, stream: str, scope: Scope, receive: Receive, send: Send) -> bool:
        """Return whether it is answered, or will be."""
        ...


class Admission:
    """ASGI middleware around the lanes: counts their readers, exactly, and turns away or drops who is too much.

    One place for all lanes, those of other packages too: a request to `/{lane}/{stream}` is a reader for as long as
    the app works on it.
    """

    def __init__(
        self, app: ASGIApp, service: StreamService, wires: Mapping[str, Wire], ahead: Mapping[str, Ahead]
    ) -> None:
        """*ahead*: by lane, what answers readers without the app, if it can."""
        self._app = app
        self._service = service
        self._wires = wires
        self._ahead = ahead
        self._told = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        if not self._service.entered:
            await self._not_running()(scope, receive, send)
            return
        lane, stream = _route(scope)
        wire = self._wires.get(lane)
        if wire is None:
            await self._app(scope, receive, send)
            return
        if wire == WEBSOCKET and scope["type"] == "http" and "/" not in stream:
            await self._not_upgraded(lane, scope)(scope, receive, send)
            return
        try:
            leave = self._service.enter(stream, lingering=POLL_PRESENCE if wire == LONG_POLL else 0.0)
        except Refused as refused:
            reason = "draining" if refused.status == 503 else "limit"
            self._service.metrics.lane(lane).dropped[reason] += 1
            logger.debug("reader dropped", extra={"lane": lane, "reason": reason})
            await turned_away(scope, wire, refused)(scope, receive, send)
            return
        connection = scope[CONNECTION] = self._admitted(lane, scope, send, leave)
        answering = LiveSend(connection, scope, streaming=wire != LONG_POLL)
        ahead = self._ahead.get(lane) if scope["type"] == "http" else None
        try:
            if ahead is None or not await ahead(stream, scope, receive, answering):
                await self._app(scope, receive, answering)
        except asyncio.CancelledError:
            if not connection.dropped or connection.task is None:
                raise
            connection.task.uncancel()  # it was ours, and ends here
        finally:
            if not connection.handed_over:
                connection.end()

    def _admitted(self, lane: str, scope: Scope, send: Send, leave: Callable[[], None]) -> Connection:
        """Count a reader's connection; *leave* is called once it has ended."""
        metrics = self._service.metrics.lane(lane)

        def end(connection: Connection) -> None:
            if connection.dropped:
                metrics.dropped["slow"] += 1
                logger.info("reader dropped", extra={"lane": lane, "reason": "slow"})
            self._service.connections.discard(connection)
            metrics.connections -= 1
            leave()

        connection = Connection(scope, send, end)
        metrics.connections += 1
        metrics.opened += 1
        self._service.connections.add(connection)
        return connection

    def _not_upgraded(self, lane: str, scope: Scope) -> Response:
        if scope["method"] != "GET":
            return problem(405, "a WebSocket begins with a GET", headers={"Allow": "GET"})
        self._service.metrics.lane(lane).dropped["no upgrade"] += 1
        return upgrade_needed(scope)

    def _not_running(self) -> ASGIApp:
        if not self._told:  # once: each reader asks again and again
            self._told = True
            logger.error("every request is refused: %s", NOT_RUNNING)
        refused = Refused("the service isn't running here; its log says why", status=503, retry_after=RETRY_SECONDS)
        return _try_again_later(refused)


class LiveSend:
    """A `send` that has a response begin as a reader's answer should."""

    __slots__ = ("_scope", "_streaming", "passes_to")

    def __init__(self, send: Send, scope: Scope, *, streaming: bool) -> None:
        self.passes_to = send
        self._scope = scope
        self._streaming = streaming

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = live(message, self._scope, streaming=self._streaming)
        await self.passes_to(message)


def _try_again_later(refused: Refused) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await refusal(refused)(scope, receive, send)
            return
        websocket = WebSocket(scope, receive, send)
        with suppress(WebSocketDisconnect):
            await websocket.accept(selected_subprotocol(websocket))
            await websocket.close(TRY_AGAIN_LATER, close_reason(str(refused)))

    return answer


def upgrade_needed(scope: Scope) -> Response:
    """Return the answer to a plain GET at a WebSocket's address."""
    detail = "this is the address of a WebSocket, which begins with a handshake"
    if "sec-websocket-key" in Headers(scope=scope):
        detail = (
            "this is the address of a WebSocket, and the handshake came without Upgrade: a proxy in between took it "
            "away. It has to pass Upgrade and Connection on; nginx, for instance, with proxy_http_version 1.1, "
            'proxy_set_header Upgrade $http_upgrade and proxy_set_header Connection "upgrade"'
        )
    # The one answer that has to have these fields of a connection (RFC 9110 §15.5.22).
    return problem(426, detail, headers={"Upgrade": "websocket", "Connection": "Upgrade"})


def turned_away(scope: Scope, wire: Wire, refused: Refused) -> Response:
    """Return the answer to a reader that can't be taken now.

    An EventSource gives up for good on any status but 200, so it gets an empty stream and the time to come back.
    """
    if wire == SSE and is_event_source(Headers(scope=scope).get("accept", "")):
        return Response(
            retry_field(max(refused.retry_after, 1.0)),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
    return refusal(refused)


def _route(scope: Scope) -> tuple[str, str]:
    """Return the first two segments of the path below where the app is mounted."""
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    lane, _, stream = path.removeprefix("/").partition("/")
    return lane, stream
