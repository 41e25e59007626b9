"""Lane `ws-usual`: WebSocket as most services write it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import anyio
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from streamlanes.producers.events import encode_json
from streamlanes.producers.wire import WEBSOCKET, Wire
from streamlanes.transports.baselines.messages import MessageFraming, ReaderQueue
from streamlanes.transports.follow import Opening, StreamingLane
from streamlanes.transports.packing import ENDED, GOING_AWAY
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.transport import Transport
from streamlanes.transports.ws import close, disconnects, take_in, websocket_router


@dataclass(frozen=True, slots=True)
class UsualWebSocketLane:
    """A queue for each reader, filled by a task of its own; a fresh object for each event, serialised for each reader.

    What Starlette's `send_json` does, but that lone surrogates are escaped, which it would fail at.
    """

    name: str = "ws-usual"
    wire: Wire = WEBSOCKET

    def router(self, service: StreamService) -> APIRouter:
        lane = StreamingLane(service, self.name, MessageFraming())

        async def talk(websocket: WebSocket, opening: Opening) -> None:
            follower = lane.follow(*opening)
            queue = ReaderQueue(follower)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_listen, websocket, service, opening.stream, tasks.cancel_scope)
                tasks.start_soon(queue.fill)
                with suppress(WebSocketDisconnect):  # the client may leave while we are sending
                    async for message in queue.messages():
                        await _send(websocket, encode_json(message.json_object()))
                    await close(websocket, ENDED if follower.ended else GOING_AWAY)
                tasks.cancel_scope.cancel()

        return websocket_router(lane, talk)


async def _listen(websocket: WebSocket, service: StreamService, stream: str, reader: anyio.CancelScope) -> None:
    """Take what the client sends, and end the reader when its client leaves.

    Always, whatever the stream does: a socket that nobody reads from would never tell.
    """
    with suppress(WebSocketDisconnect):
        while (message := await websocket.receive())["type"] != "websocket.disconnect":
            for refusal in take_in(service, stream, message) or ():
                await _send(websocket, refusal)
    reader.cancel()


async def _send(websocket: WebSocket, text: str) -> None:
    with disconnects():
        await websocket.send({"type": "websocket.send", "text": text})


TRANSPORT: Final[Transport] = UsualWebSocketLane()
