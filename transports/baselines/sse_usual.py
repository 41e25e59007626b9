"""Lane `sse-usual`: server-sent events as sse-starlette's examples send them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from streamlanes.producers.events import encode_json
from streamlanes.producers.wire import SSE, Wire
from streamlanes.transports.baselines.messages import MessageFraming, ReaderQueue
from streamlanes.transports.follow import StreamingLane
from streamlanes.transports.parameters import AfterParameter, StreamParameter
from streamlanes.transports.problems import ProblemRoute, answer, documented
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.sse import EVENT_SCHEMA, LastEventId, resumed
from streamlanes.transports.transport import Transport


@dataclass(frozen=True, slots=True)
class UsualSSELane:
    """A queue for each reader, filled by a task of its own; each event serialised, framed and sent for each reader."""

    name: str = "sse-usual"
    wire: Wire = SSE

    def router(self, service: StreamService) -> APIRouter:
        router = APIRouter(route_class=ProblemRoute)
        lane = StreamingLane(service, self.name, MessageFraming())

        @router.get(
            f"/{self.name}/{{stream}}",
            name=self.name,
            summary="Read a stream as server-sent events, sent as most services do",
            response_class=Response,
            responses={
                200: answer("As on `sse`.", "text/event-stream", schema=EVENT_SCHEMA),
                204: answer("As on `sse`."),
                **documented(404, 410, 422, 429, 503),
            },
        )
        async def stream_events(
            request: Request,
            stream: StreamParameter,
            after: AfterParameter = "start",
            last_event_id: LastEventId = None,
        ) -> Response:
            follower = await resumed(lane, request, stream, after, last_event_id)
            if follower is None:
                return Response(status_code=204)
            queue = ReaderQueue(follower)
            # The library runs `fill` in the response's own task group. Its ping is off: ours are told by the read
            # loop, on every lane alike, so that idle readers compare.
            return EventSourceResponse(_events(queue), data_sender_callable=queue.fill, ping=0)

        return router


async def _events(queue: ReaderQueue) -> AsyncGenerator[ServerSentEvent, None]:
    async for message in queue.messages():
        yield ServerSentEvent(encode_json(message.value), event=message.sse_event, id=message.id)


TRANSPORT: Final[Transport] = UsualSSELane()
