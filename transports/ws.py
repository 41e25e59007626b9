"""Lane `ws`: WebSocket, on Starlette's."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

import anyio
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from streamlanes.producers.errors import CursorExpired, InvalidCursor, InvalidItem, StreamError, UnknownStream
from streamlanes.producers.events import JSON, parse_after
from streamlanes.producers.inbox import parse_json
from streamlanes.producers.wire import REFUSED, WEBSOCKET, WS_BAD_PARAMETERS, WS_CURSOR_EXPIRED, WS_UNKNOWN, Wire
from streamlanes.transports.door.authorization import selected_subprotocol
from streamlanes.transports.follow import Follower, StreamingLane
from streamlanes.transports.framing import WebSocketFraming, close_reason, control_text
from streamlanes.transports.problems import expired_fields
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.transport import Transport

ENDED: Final = 1000
GOING_AWAY: Final = 1001

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WebSocketLane:
    """A text message for each event; what is wrong is told in the close code, since browsers see nothing else."""

    name: str = "ws"
    wire: Wire = WEBSOCKET

    def router(self, service: StreamService) -> APIRouter:
        return websocket_router(StreamingLane(service, self.name, WebSocketFraming()), _talk)


Talk: TypeAlias = Callable[[WebSocket, StreamService, str, Follower[T]], Awaitable[None]]
"""Serve a socket that has been accepted, until the stream has ended or the client left."""


def websocket_router(lane: StreamingLane[T], talk: Talk[T]) -> APIRouter:
    """Return the route of a lane of WebSockets."""
    router = APIRouter()

    @router.websocket(f"/{lane.name}/{{stream}}", name=lane.name)
    async def stream_events(websocket: WebSocket, stream: str) -> None:
        with suppress(WebSocketDisconnect):  # the client may leave at any moment
            follower = await accepted(lane, websocket, stream)
            if follower is not None:
                await talk(websocket, lane.service, stream, follower)

    return router


async def accepted(lane: StreamingLane[T], websocket: WebSocket, stream: str) -> Follower[T] | None:
    """Accept the handshake, and return a reading of *stream* from where its reader wants it.

    None: there can't be any; the socket is closed, with the code that says why. Raises WebSocketDisconnect.
    """
    await websocket.accept(selected_subprotocol(websocket))
    try:
        first = await lane.open(stream, parse_after(websocket.query_params.get("after", "start")))
    except InvalidCursor as error:
        await close(websocket, WS_BAD_PARAMETERS, close_reason(str(error)))
    except UnknownStream as error:
        await close(websocket, WS_UNKNOWN, close_reason(str(error)))
    except CursorExpired as error:
        reason = json.dumps(expired_fields(error), separators=(",", ":"))
        await close(websocket, WS_CURSOR_EXPIRED, reason)
    else:
        return lane.follow(stream, first)
    return None


async def _talk(websocket: WebSocket, service: StreamService, stream: str, follower: Follower[tuple[str, ...]]) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen, websocket, service, stream, tasks.cancel_scope)
        with suppress(WebSocketDisconnect):  # the client may leave while we are sending
            async with aclosing(follower.frames()) as frames:
                async for texts in frames:
                    for text in texts:
                        await send(websocket, text)
            await close(websocket, ENDED if follower.ended else GOING_AWAY)
        tasks.cancel_scope.cancel()


async def listen(websocket: WebSocket, service: StreamService, stream: str, reader: anyio.CancelScope) -> None:
    """Take what the client sends, and end the reader when its client leaves.

    Always, whatever the stream does: a socket that nobody reads from would never tell.
    """
    with suppress(WebSocketDisconnect):
        while (message := await websocket.receive())["type"] != "websocket.disconnect":
            try:
                service.send(stream, parse_message(message, service.settings.max_message_bytes))
            except StreamError as error:
                await send(websocket, control_text(REFUSED, {"reason": str(error)}))
    reader.cancel()


async def send(websocket: WebSocket, text: str) -> None:
    """Send a text frame. Raises WebSocketDisconnect."""
    with _disconnects():
        await websocket.send({"type": "websocket.send", "text": text})


async def close(websocket: WebSocket, code: int, reason: str | None = None) -> None:
    """Close, and say why. Raises WebSocketDisconnect."""
    with _disconnects():
        await websocket.close(code, reason)


@contextmanager
def _disconnects() -> Iterator[None]:
    """Translate what is raised once the server has closed a socket by itself, for frames that break the protocol."""
    try:
        yield
    except RuntimeError as error:
        raise WebSocketDisconnect(1006) from error


def parse_message(message: Mapping[str, object], max_bytes: int) -> JSON:
    """Read a frame that a client sent. Raises MessageTooLarge, and InvalidItem for what isn't JSON in a text frame."""
    text = message.get("text")
    if not isinstance(text, str):
        raise InvalidItem("a message is a text frame")
    return parse_json(text, max_bytes)


TRANSPORT: Final[Transport] = WebSocketLane()
