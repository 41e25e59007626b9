"""Lane `poll-single`: long polling as textbooks have it, one event a response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request, Response

from streamlanes.producers.events import JSON, encode_json
from streamlanes.producers.wire import LONG_POLL, Wire
from streamlanes.transports.baselines.messages import parsed
from streamlanes.transports.framing import FrameCache
from streamlanes.transports.parameters import AfterParameter, StreamParameter
from streamlanes.transports.poll import ANSWER_SCHEMA, LimitParameter, WaitParameter, asked
from streamlanes.transports.problems import ProblemRoute, answer, documented
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.transport import Transport


@dataclass(frozen=True, slots=True)
class SinglePollLane:
    """A question for each event; each answer serialised for its reader."""

    name: str = "poll-single"
    wire: Wire = LONG_POLL

    def router(self, service: StreamService) -> APIRouter:
        router = APIRouter(route_class=ProblemRoute)
        cache = FrameCache(parsed)
        metrics = service.metrics.lane(self.name)

        @router.get(
            f"/{self.name}/{{stream}}",
            name=self.name,
            summary="Ask for the next event, and wait for it",
            response_class=Response,
            responses={
                200: answer("As on `poll`, with one event at most.", "application/json", schema=ANSWER_SCHEMA),
                **documented(404, 410, 422, 429, 503),
            },
        )
        async def poll(
            request: Request,
            stream: StreamParameter,
            after: AfterParameter = "start",
            wait: WaitParameter = 30.0,
            limit: LimitParameter = 1,  # checked as on `poll`, and never less than there is
        ) -> Response:
            batch = await asked(service, metrics, request, stream, after, wait=wait, limit=1)
            messages = cache.frame(stream, batch) if batch.events else ()
            body: dict[str, JSON] = {
                "events": [message.json_object() for message in messages],
                "cursor": str(batch.cursor),
                "done": batch.outcome is not None,
            }
            if batch.outcome is not None:
                body["outcome"] = batch.outcome
            return Response(encode_json(body), media_type="application/json", headers={"Cache-Control": "no-store"})

        return router


TRANSPORT: Final[Transport] = SinglePollLane()
