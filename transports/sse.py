"""Lane `sse`: server-sent events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Header, Request, Response

from streamlanes.producers.errors import CursorExpired
from streamlanes.producers.events import JSON, After, Cursor, parse_after
from streamlanes.producers.wire import SSE, SSE_END_SUFFIX, Wire
from streamlanes.transports.accept import is_event_source
from streamlanes.transports.follow import Opening, StreamingLane
from streamlanes.transports.framing import SSEFraming
from streamlanes.transports.packing import BODY
from streamlanes.transports.parameters import AfterParameter, StreamParameter
from streamlanes.transports.problems import ProblemRoute, answer, documented
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.transport import Transport
from streamlanes.transports.writing.serving import WrittenResponse
from streamlanes.transports.writing.writer import Writers

T = TypeVar("T")

LastEventId = Annotated[str | None, Header(description="The id of the last message received; it wins over `after`.")]

EVENT_SCHEMA: Final[Mapping[str, JSON]] = {
    "description": "Each message (OpenAPI 3.2 has them described one by one).",
    "type": "object",
    "required": ["data"],
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}


@dataclass(frozen=True, slots=True)
class SSELane:
    """Server-sent events, resumed by `Last-Event-ID` or `?after=`."""

    name: str = "sse"
    wire: Wire = SSE
    direct: bool = True
    """Whether bytes may go straight to our own server's sockets; else they go by ASGI's `send`."""

    def router(self, service: StreamService) -> APIRouter:
        lane = StreamingLane(service, self.name, SSEFraming())
        writers = Writers(lane, BODY, direct=self.direct)

        def respond(opening: Opening) -> Response:
            return WrittenResponse(writers, opening, "text/event-stream")

        told = "The events, from `stream-open` to `stream-end`."
        return sse_router(lane, "Read a stream as server-sent events", told, respond)


def sse_router(lane: StreamingLane[T], summary: str, told: str, respond: Callable[[Opening], Response]) -> APIRouter:
    """Return the route of a lane of server-sent events, with *summary* and *told*, of its answer, for OpenAPI."""
    router = APIRouter(route_class=ProblemRoute)

    @router.get(
        f"/{lane.name}/{{stream}}",
        name=lane.name,
        summary=summary,
        response_class=Response,
        responses={
            200: answer(told, "text/event-stream", schema=EVENT_SCHEMA),
            204: answer("The reader has seen the end: there is nothing to come back for."),
            **documented(404, 410, 422, 429, 503),
        },
    )
    async def stream_events(
        request: Request, stream: StreamParameter, after: AfterParameter = "start", last_event_id: LastEventId = None
    ) -> Response:
        opening = await resumed(lane, request, stream, after, last_event_id)
        if opening is None:
            return Response(status_code=204)  # the one status that stops an EventSource without an error
        return respond(opening)

    return router


async def resumed(
    lane: StreamingLane[T], request: Request, stream: str, after: str, last_event_id: str | None
) -> Opening | None:
    """Return where a reading of *stream* begins, as its reader wants it, or None for one that has seen the end.

    Raises InvalidCursor, UnknownStream, and CursorExpired, but an EventSource is told of the gap in the stream.
    """
    place, has_end = _resume_from(after, last_event_id)
    if has_end:
        await lane.service.info(stream)
        return None
    gap = None
    try:
        first = await lane.open(stream, place)
    except CursorExpired as expired:
        if not is_event_source(request.headers.get("accept", "")):
            raise
        gap = expired
        first = await lane.open(stream, expired.oldest)
    return Opening(stream, first, gap)


def _resume_from(after: str, last_event_id: str | None) -> tuple[After, bool]:
    """Return where to read from, and whether the reader has seen the end. Raises InvalidCursor."""
    if not last_event_id:
        return parse_after(after), False
    identity = last_event_id.removesuffix(SSE_END_SUFFIX)
    return Cursor.parse(identity), identity != last_event_id


TRANSPORT: Final[Transport] = SSELane()
