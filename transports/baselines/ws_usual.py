"""Lane `ws-usual`: WebSocket as most services write it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import anyio
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from streamlanes.producers.events import encode_json
from streamlanes.producers.wire import WEBSOCKET, Wire
from streamlanes.transports.baselines.messages import MessageFraming, Messages, ReaderQueue
from streamlanes.transports.follow import Follower, StreamingLane
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.transport import Transport
from streamlanes.transports.ws import ENDED, GOING_AWAY, close, listen, send, websocket_router


@dataclass(frozen=True, slots=True)
class UsualWebSocketLane:
    """A queue for each reader, filled by a task of its own; a fresh object for each event, serialised for each reader.

    What Starlette's `send_json` does, but that lone surrogates are escaped, which it would fail at.
    """

    name: str = "ws-usual"
    wire: Wire = WEBSOCKET

    def router(self, service: StreamService) -> APIRouter:
        return websocket_router(StreamingLane(service, self.name, MessageFraming()), _talk)


async def _talk(websocket: WebSocket, service: StreamService, stream: str, follower: Follower[Messages]) -> None:
    queue = ReaderQueue(follower)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen, websocket, service, stream, tasks.cancel_scope)
        tasks.start_soon(queue.fill)
        with suppress(WebSocketDisconnect):  # the client may leave while we are sending
            async for message in queue.messages():
                await send(websocket, encode_json(message.json_object()))
            await close(websocket, ENDED if follower.ended else GOING_AWAY)
        tasks.cancel_scope.cancel()


TRANSPORT: Final[Transport] = UsualWebSocketLane()
