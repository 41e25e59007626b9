"""Lane `poll`: long polling, all that is pending in one response."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final

import anyio
from fastapi import APIRouter, Query, Request, Response
from starlette.types import Scope

from streamlanes.producers.errors import CursorExpired, StreamError
from streamlanes.producers.events import JSON, Cursor, Outcome, parse_after
from streamlanes.producers.log.event_log import Batch
from streamlanes.producers.wire import LONG_POLL, Wire
from streamlanes.transports.framing import FrameCache, poll_body, poll_events
from streamlanes.transports.parameters import AfterParameter, StreamParameter
from streamlanes.transports.problems import ProblemRoute, answer, documented
from streamlanes.transports.service.metrics import LaneMetrics
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.service.settings import Settings
from streamlanes.transports.transport import LaneRouter, Transport
from streamlanes.transports.writing.polls import Polls, Question

MAX_EVENTS: Final = 1000
LIMIT: Final = 256
MAX_BYTES: Final = 1024 * 1024
MAX_WAIT: Final = 60.0
WAIT: Final = 30.0
_WAIT_MEANS: Final = "Seconds to wait for the first event; a server may answer sooner, with none."

WaitParameter = Annotated[float, Query(ge=0, le=MAX_WAIT, allow_inf_nan=False, description=_WAIT_MEANS)]
ReaderParameter = Annotated[
    str,
    Query(
        max_length=64,
        description="Anything, one for each reader; ignored. Caches and browsers let identical requests wait for one "
        "another, whatever the answers' headers say.",
    ),
]
LimitParameter = Annotated[int, Query(ge=1, le=MAX_EVENTS, description="Events at most.")]

ANSWER_SCHEMA: Final[Mapping[str, JSON]] = {
    "type": "object",
    "required": ["events", "cursor", "done"],
    "properties": {
        "events": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "data"],
                "properties": {"id": {"type": "string"}, "type": {"type": "string"}, "data": {}},
            },
        },
        "cursor": {"type": "string"},
        "done": {"type": "boolean"},
        "outcome": {"enum": [outcome.value for outcome in Outcome]},
    },
}


_QUESTION: Final = re.compile(
    rb"(?:(?:^|&)(?:"
    rb"after=(?P<after>start|now|[0-9a-z]{1,16}(?::|%3A)(?:0|[1-9][0-9]{0,17}))"
    rb"|wait=(?P<wait>[0-9]{1,2}(?:\.[0-9]{1,9})?)"
    rb"|limit=(?P<limit>[1-9][0-9]{0,3})"
    rb"|reader=[A-Za-z0-9_-]{0,64}"
    rb"))*"
)
"""A query as clients write it. Whatever else may be right, or is wrong, is the route's to find out."""


@dataclass(frozen=True, slots=True)
class LongPollLane:
    """A question that waits for its answer."""

    name: str = "poll"
    wire: Wire = LONG_POLL

    def router(self, service: StreamService) -> APIRouter:
        cache = FrameCache(poll_events)

        def body(stream: str, batch: Batch) -> bytes:
            return poll_body(cache.frame(stream, batch) if batch.events else b"", batch)

        told = "What there is, or an empty list after the wait."
        router = poll_router(service, self.name, "Ask for events, and wait for them", told, body)
        metrics = service.metrics.lane(self.name)
        router.ahead = Polls(service, metrics, partial(usual_question, service.settings), body)
        return router


def usual_question(settings: Settings, scope: Scope) -> Question | None:
    """Return what a request asks for, if it is one that clients send."""
    asked = _QUESTION.fullmatch(scope["query_string"])
    if asked is None or scope["method"] != "GET":
        return None
    after, wait, limit = asked.group("after", "wait", "limit")
    seconds, events = float(wait or WAIT), int(limit or LIMIT)
    if seconds > MAX_WAIT or events > MAX_EVENTS:
        return None
    place = parse_after((after or b"start").decode().replace("%3A", ":"))
    return Question(place, min(seconds, settings.max_poll_wait), events, MAX_BYTES)


def poll_router(
    service: StreamService,
    name: str,
    summary: str,
    told: str,
    body: Callable[[str, Batch], bytes],
    *,
    most: int = MAX_EVENTS,
) -> LaneRouter:
    """Return the route of a lane of long polls, with *summary* and *told*, of its answer, for OpenAPI.

    An answer has at most *most* events, and *body* makes it of a stream's name and a batch.
    """
    router = LaneRouter(route_class=ProblemRoute)
    metrics = service.metrics.lane(name)
    usual = min(LIMIT, most)

    @router.get(
        f"/{name}/{{stream}}",
        name=name,
        summary=summary,
        response_class=Response,
        responses={
            200: answer(told, "application/json", schema=ANSWER_SCHEMA),
            **documented(404, 410, 422, 429, 503),
        },
    )
    async def poll(
        request: Request,
        stream: StreamParameter,
        *,
        after: AfterParameter = "start",
        wait: WaitParameter = WAIT,
        limit: LimitParameter = usual,
        reader: ReaderParameter = "",
    ) -> Response:
        batch = await asked(service, metrics, request, stream, after, wait=wait, limit=min(limit, most))
        return Response(body(stream, batch), media_type="application/json", headers={"Cache-Control": "no-store"})

    return router


async def asked(
    service: StreamService, metrics: LaneMetrics, request: Request, stream: str, after: str, *, wait: float, limit: int
) -> Batch:
    """Return the answer to one question: what there is, or the first to come within *wait* seconds, or nothing.

    Raises InvalidCursor, UnknownStream, CursorExpired.
    """
    # A server that allows less answers sooner: to who waits, an empty answer is nothing new.
    wait = min(wait, service.settings.max_poll_wait)
    place = parse_after(after)
    read = partial(service.read, stream, limit=limit, max_bytes=MAX_BYTES)
    batch = await read(place, wait=0)
    waits = not batch.events and batch.outcome is None and wait > 0
    if waits:
        try:
            batch = await _unless_gone(request, read(batch.cursor, wait=service.departure.patience(wait)), batch)
        except CursorExpired as expired:
            if isinstance(place, Cursor):
                raise
            batch = await read(expired.oldest, wait=0)  # who asked for no place in particular has missed none
    service.sent(stream, batch, metrics, live=waits)
    return batch


async def _unless_gone(request: Request, reading: Coroutine[None, None, Batch], empty: Batch) -> Batch:
    """Return what *reading* does, or *empty*, which nobody will see, as soon as the client has left."""
    batch = empty
    expired: StreamError | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_until_gone, request, tasks.cancel_scope)
        try:
            batch = await reading
        except StreamError as error:  # out of a task group it would come wrapped
            expired = error
        tasks.cancel_scope.cancel()
    if expired is not None:
        raise expired
    return batch


async def _until_gone(request: Request, reader: anyio.CancelScope) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    reader.cancel()


TRANSPORT: Final[Transport] = LongPollLane()
