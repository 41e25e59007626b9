"""Lane `sse-usual`: server-sent events as sse-starlette's examples send them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from streamlanes.producers.events import encode_json
from streamlanes.producers.wire import SSE, Wire
from streamlanes.transports.baselines.messages import MessageFraming, ReaderQueue
from streamlanes.transports.follow import Opening, StreamingLane
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.sse import sse_router
from streamlanes.transports.transport import Transport


@dataclass(frozen=True, slots=True)
class UsualSSELane:
    """A queue for each reader, filled by a task of its own; each event serialised, framed and sent for each reader."""

    name: str = "sse-usual"
    wire: Wire = SSE

    def router(self, service: StreamService) -> APIRouter:
        lane = StreamingLane(service, self.name, MessageFraming())

        def respond(opening: Opening) -> Response:
            queue = ReaderQueue(lane.follow(*opening))
            # The library runs `fill` in the response's own task group. Its ping is off: ours are told by the read loop,
            # on every lane alike, so that idle readers compare.
            return EventSourceResponse(_events(queue), data_sender_callable=queue.fill, ping=0)

        summary = "Read a stream as server-sent events, sent as most services do"
        return sse_router(lane, summary, "As on `sse`.", respond)


async def _events(queue: ReaderQueue) -> AsyncGenerator[ServerSentEvent, None]:
    async for message in queue.messages():
        yield ServerSentEvent(encode_json(message.value), event=message.sse_event, id=message.id)


TRANSPORT: Final[Transport] = UsualSSELane()
