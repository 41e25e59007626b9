"""Lane `sse-fastapi`: server-sent events by FastAPI's own `EventSourceResponse`."""

# Annotations are evaluated here, since FastAPI has to find a local name in one of them.

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.sse import EventSourceResponse, ServerSentEvent

from streamlanes.producers.events import encode_json
from streamlanes.producers.wire import SSE, Wire
from streamlanes.transports.baselines.messages import Message, MessageFraming, Messages
from streamlanes.transports.follow import StreamingLane
from streamlanes.transports.parameters import AfterParameter, StreamParameter
from streamlanes.transports.problems import ProblemRoute, answer, documented
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.sse import EVENT_SCHEMA, LastEventId, resumed
from streamlanes.transports.transport import Transport


@dataclass(frozen=True, slots=True)
class FastAPISSELane:
    """A path operation that yields `ServerSentEvent`s; the queue for each reader, and its two tasks, are FastAPI's."""

    name: str = "sse-fastapi"
    wire: Wire = SSE

    def router(self, service: StreamService) -> APIRouter:
        router = APIRouter(route_class=_Route)
        lane = StreamingLane(service, self.name, MessageFraming())

        # A dependency, since what a path operation that yields raises comes too late for a status.
        async def frames(
            request: Request,
            response: Response,
            stream: StreamParameter,
            after: AfterParameter = "start",
            last_event_id: LastEventId = None,
        ) -> AsyncGenerator[AsyncGenerator[Messages, None], None]:
            opening = await resumed(lane, request, stream, after, last_event_id)
            if opening is None:
                raise _HasSeenTheEnd
            response.headers["Cache-Control"] = "no-store"  # beside FastAPI's no-cache
            async with aclosing(lane.follow(*opening).frames()) as pending:
                yield pending

        @router.get(
            f"/{self.name}/{{stream}}",
            name=self.name,
            summary="Read a stream as server-sent events, sent by FastAPI",
            response_class=EventSourceResponse,
            responses={
                200: answer("As on `sse`.", "text/event-stream", schema=EVENT_SCHEMA),
                204: answer("As on `sse`."),
                **documented(404, 410, 422, 429, 503),
            },
        )
        async def stream_events(
            pending: Annotated[AsyncGenerator[Messages, None], Depends(frames)],
        ) -> AsyncGenerator[ServerSentEvent, None]:
            async for messages in pending:
                for message in messages:
                    yield _event(message)

        return router


def _event(message: Message) -> ServerSentEvent:
    """Return what FastAPI's `data=` would make of it, but for white space and escapes, which would be other bytes.

    `sqlalchemy_safe` would leave out keys that begin with `_sa`.
    """
    text = encode_json(jsonable_encoder(message.value, sqlalchemy_safe=False))
    return ServerSentEvent(raw_data=text, event=message.sse_event, id=message.id)


class _HasSeenTheEnd(Exception):
    """The reader brings the id of `stream-end`."""


class _Route(ProblemRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[None, None, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except _HasSeenTheEnd:
                return Response(status_code=204)

        return handle


TRANSPORT: Final[Transport] = FastAPISSELane()
