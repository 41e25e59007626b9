"""Lane `ws`: WebSocket."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias, TypeVar

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from streamlanes.producers.errors import CursorExpired, InvalidCursor, InvalidItem, StreamError, UnknownStream
from streamlanes.producers.events import JSON, parse_after
from streamlanes.producers.inbox import parse_json
from streamlanes.producers.wire import REFUSED, WEBSOCKET, WS_BAD_PARAMETERS, WS_CURSOR_EXPIRED, WS_UNKNOWN, Wire
from streamlanes.transports.door.authorization import selected_subprotocol
from streamlanes.transports.follow import Opening, StreamingLane
from streamlanes.transports.framing import WebSocketFraming, close_reason, control_text
from streamlanes.transports.packing import MESSAGES
from streamlanes.transports.problems import expired_fields
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.transport import Transport
from streamlanes.transports.writing.serving import serve
from streamlanes.transports.writing.writer import Writers

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WebSocketLane:
    """A text message for each event; what is wrong is told in the close code, since browsers see nothing else."""

    name: str = "ws"
    wire: Wire = WEBSOCKET
    direct: bool = True
    """Whether bytes may go straight to our own server's sockets; else they go by ASGI's `send`."""

    def router(self, service: StreamService) -> APIRouter:
        lane = StreamingLane(service, self.name, WebSocketFraming())
        writers = Writers(lane, MESSAGES, take_in=partial(take_in, service), direct=self.direct)

        async def talk(websocket: WebSocket, opening: Opening) -> None:
            # Not WebSocket's own methods, which check what our own order of messages can't get wrong.
            await serve(writers, opening, websocket.scope, websocket._receive, websocket._send)  # noqa: SLF001

        return websocket_router(lane, talk)


Talk: TypeAlias = Callable[[WebSocket, Opening], Awaitable[None]]
"""Serve a socket that has been accepted, until the stream has ended or the client left."""


def websocket_router(lane: StreamingLane[T], talk: Talk) -> APIRouter:
    """Return the route of a lane of WebSockets."""
    router = APIRouter()

    @router.websocket(f"/{lane.name}/{{stream}}", name=lane.name)
    async def stream_events(websocket: WebSocket, stream: str) -> None:
        with suppress(WebSocketDisconnect):  # the client may leave at any moment
            opening = await accepted(lane, websocket, stream)
            if opening is not None:
                await talk(websocket, opening)

    return router


async def accepted(lane: StreamingLane[T], websocket: WebSocket, stream: str) -> Opening | None:
    """Accept the handshake, and return where a reading of *stream* begins, as its reader wants it.

    None: there can't be any; the socket is closed, with the code that says why. Raises WebSocketDisconnect.
    """
    await websocket.accept(selected_subprotocol(websocket))
    try:
        return Opening(stream, await lane.open(stream, parse_after(websocket.query_params.get("after", "start"))))
    except InvalidCursor as error:
        await close(websocket, WS_BAD_PARAMETERS, close_reason(str(error)))
    except UnknownStream as error:
        await close(websocket, WS_UNKNOWN, close_reason(str(error)))
    except CursorExpired as error:
        reason = json.dumps(expired_fields(error), separators=(",", ":"))
        await close(websocket, WS_CURSOR_EXPIRED, reason)
    return None


async def close(websocket: WebSocket, code: int, reason: str | None = None) -> None:
    """Close, and say why. Raises WebSocketDisconnect."""
    with disconnects():
        await websocket.close(code, reason)


@contextmanager
def disconnects() -> Iterator[None]:
    """Translate what is raised once the server has closed a socket by itself, for frames that break the protocol."""
    try:
        yield
    except RuntimeError as error:
        raise WebSocketDisconnect(1006) from error


def take_in(service: StreamService, stream: str, message: Mapping[str, object]) -> tuple[str, ...] | None:
    """Pass on what a client has sent to its session's producer; returns the answer where that isn't taken."""
    try:
        service.send(stream, parse_message(message, service.settings.max_message_bytes))
    except StreamError as error:
        return (control_text(REFUSED, {"reason": str(error)}),)
    return None


def parse_message(message: Mapping[str, object], max_bytes: int) -> JSON:
    """Read a frame that a client sent. Raises MessageTooLarge, and InvalidItem for what isn't JSON in a text frame."""
    text = message.get("text")
    if not isinstance(text, str):
        raise InvalidItem("a message is a text frame")
    return parse_json(text, max_bytes)


TRANSPORT: Final[Transport] = WebSocketLane()
