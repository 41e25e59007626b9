"""Lane `sse-starlette`: the log, framed once for all readers, sent to each by sse-starlette's `EventSourceResponse`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Response
from sse_starlette import EventSourceResponse

from streamlanes.producers.wire import SSE, Wire
from streamlanes.transports.follow import Opening, StreamingLane
from streamlanes.transports.framing import SSEFraming
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.sse import sse_router
from streamlanes.transports.transport import Transport


@dataclass(frozen=True, slots=True)
class StarletteSSELane:
    """A read loop for each reader, in the library's response; what is left of a queue for each reader."""

    name: str = "sse-starlette"
    wire: Wire = SSE

    def router(self, service: StreamService) -> APIRouter:
        lane = StreamingLane(service, self.name, SSEFraming())

        def respond(opening: Opening) -> Response:
            return EventSourceResponse(lane.follow(*opening).frames(), ping=0)  # heartbeats come from the read loop

        summary = "Read a stream as server-sent events, sent by sse-starlette"
        return sse_router(lane, summary, "As on `sse`.", respond)


TRANSPORT: Final[Transport] = StarletteSSELane()
