"""Lane `ndjson`: chunked HTTP, a JSON object a line; with `Accept: text/plain` the bare text."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Send

from producers.events import parse_after
from producers.wire import NDJSON, Wire
from transports.follow import follow, open_stream
from transports.framing import Cut, FrameCache, Framing, NDJSONFraming, PlainTextFraming
from transports.problems import ProblemRoute
from transports.service import StreamService
from transports.transport import Transport


@dataclass(frozen=True, slots=True)
class NDJSONLane:
    """Lines of JSON."""

    name: str = "ndjson"
    wire: Wire = NDJSON

    def router(self, service: StreamService) -> APIRouter:
        router = APIRouter(route_class=ProblemRoute)
        lines = _Form("application/x-ndjson", NDJSONFraming())
        text = _Form("text/plain", PlainTextFraming())

        @router.get(f"/{self.name}/{{stream}}", name=self.name)
        async def stream_events(request: Request, stream: str, after: str = "start") -> Response:
            form = text if request.headers.get("accept", "").startswith("text/plain") else lines
            first = await open_stream(service, stream, parse_after(after))
            return LinesResponse(
                follow(service, stream, first, form.framing, form.cache),
                media_type=form.media_type,
                headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
            )

        return router


class _Form:
    """One of the lane's two forms."""

    def __init__(self, media_type: str, framing: Framing[bytes]) -> None:
        self.media_type = media_type
        self.framing = framing
        self.cache = FrameCache(framing.events)


class LinesResponse(StreamingResponse):
    """A streaming response that closes its generator, and that ends without the final chunk after a Cut."""

    def __init__(self, frames: AsyncGenerator[bytes, None], media_type: str, headers: dict[str, str]) -> None:
        super().__init__(frames, media_type=media_type, headers=headers)
        self._frames = frames

    async def stream_response(self, send: Send) -> None:
        """Send the frames until they end or the client leaves."""
        async with aclosing(self._frames):
            try:
                await super().stream_response(send)
            except Cut:
                return  # the server closes a connection whose response was left unfinished


TRANSPORT: Final[Transport] = NDJSONLane()
