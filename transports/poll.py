"""Lane `poll`: long polling, all that is pending in one response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import anyio
from fastapi import APIRouter, Query, Request, Response

from producers.events import Cursor, parse_after
from producers.log import Batch
from producers.wire import LONG_POLL, Wire
from transports.framing import FrameCache, poll_body, poll_events
from transports.problems import BadParameter, ProblemRoute
from transports.service import StreamService
from transports.transport import Transport

MAX_EVENTS: Final = 1000
MAX_BYTES: Final = 1024 * 1024
MAX_WAIT: Final = 60.0


@dataclass(frozen=True, slots=True)
class LongPollLane:
    """A question that waits for its answer."""

    name: str = "poll"
    wire: Wire = LONG_POLL

    def router(self, service: StreamService) -> APIRouter:
        router = APIRouter(route_class=ProblemRoute)
        cache = FrameCache(poll_events)
        metrics = service.metrics.lane(self.name)

        @router.get(f"/{self.name}/{{stream}}", name=self.name)
        async def poll(
            request: Request,
            stream: str,
            after: str = "start",
            wait: Annotated[float, Query(ge=0, le=MAX_WAIT, allow_inf_nan=False)] = 30.0,
            limit: Annotated[int, Query(ge=1, le=MAX_EVENTS)] = 256,
        ) -> Response:
            if wait > service.settings.max_poll_wait:
                raise BadParameter("wait", f"a poll may wait {service.settings.max_poll_wait:g} s")
            batch = await service.read(stream, parse_after(after), limit=limit, max_bytes=MAX_BYTES, wait=0)
            if not batch.events and batch.outcome is None and wait > 0 and not service.draining:
                batch = await wait_for_more(request, stream, batch, limit, wait)
            service.sent(stream, batch, metrics)
            events = cache.frame(stream, batch) if batch.events else b""
            return Response(
                poll_body(events, batch), media_type="application/json", headers={"Cache-Control": "no-store"}
            )

        async def wait_for_more(request: Request, stream: str, empty: Batch, limit: int, wait: float) -> Batch:
            cursor: Cursor = empty.cursor
            batch = empty
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_until_gone, request, tasks.cancel_scope)
                batch = await service.read(stream, cursor, limit=limit, max_bytes=MAX_BYTES, wait=wait)
                tasks.cancel_scope.cancel()
            return batch

        return router


async def _until_gone(request: Request, reader: anyio.CancelScope) -> None:
    """End the wait when its client leaves."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    reader.cancel()


TRANSPORT: Final[Transport] = LongPollLane()
