"""Lane `ws`: WebSocket, on Starlette's."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import anyio
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from producers.errors import CursorExpired, InvalidCursor, UnknownStream
from producers.events import parse_after
from producers.log import Batch
from producers.wire import WEBSOCKET, WS_BAD_PARAMETERS, WS_CURSOR_EXPIRED, WS_UNKNOWN, Wire
from transports.follow import follow, open_stream
from transports.framing import FrameCache, WebSocketFraming
from transports.problems import expired_fields
from transports.service import StreamService
from transports.transport import Transport


@dataclass(frozen=True, slots=True)
class WebSocketLane:
    """A text message for each event; what is wrong is told in the close code, since browsers see nothing else."""

    name: str = "ws"
    wire: Wire = WEBSOCKET

    def router(self, service: StreamService) -> APIRouter:
        router = APIRouter()
        framing = WebSocketFraming()
        cache = FrameCache(framing.events)

        @router.websocket(f"/{self.name}/{{stream}}", name=self.name)
        async def stream_events(websocket: WebSocket, stream: str) -> None:
            await websocket.accept()
            try:
                first = await open_stream(service, stream, parse_after(websocket.query_params.get("after", "start")))
            except InvalidCursor as error:
                await websocket.close(WS_BAD_PARAMETERS, str(error))
            except UnknownStream as error:
                await websocket.close(WS_UNKNOWN, str(error))
            except CursorExpired as error:
                reason = json.dumps(expired_fields(error), separators=(",", ":"))
                await websocket.close(WS_CURSOR_EXPIRED, reason)
            else:
                await send_stream(websocket, stream, first)

        async def send_stream(websocket: WebSocket, stream: str, first: Batch) -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_until_gone, websocket, tasks.cancel_scope)
                try:
                    async with aclosing(follow(service, stream, first, framing, cache)) as frames:
                        async for texts in frames:
                            for text in texts:
                                await websocket.send({"type": "websocket.send", "text": text})
                    await websocket.close()
                except WebSocketDisconnect:
                    pass  # the client left while we were sending
                tasks.cancel_scope.cancel()

        return router


async def _until_gone(websocket: WebSocket, reader: anyio.CancelScope) -> None:
    """End the reader when its client leaves: a socket that nobody reads from would never tell."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            reader.cancel()
            return


TRANSPORT: Final[Transport] = WebSocketLane()
