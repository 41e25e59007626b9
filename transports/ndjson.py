"""Lane `ndjson`: chunked HTTP, a JSON object a line; with `Accept: text/plain` the bare text."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Send

from streamlanes.producers.characters import WholeCharacters
from streamlanes.producers.events import parse_after
from streamlanes.producers.wire import NDJSON, Wire
from streamlanes.transports.accept import prefers
from streamlanes.transports.follow import Opening, StreamingLane
from streamlanes.transports.framing import CutShort, NDJSONFraming, PlainTextFraming
from streamlanes.transports.packing import BODY
from streamlanes.transports.parameters import AfterParameter, StreamParameter
from streamlanes.transports.problems import ProblemRoute, answer, documented
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.transport import Transport
from streamlanes.transports.writing.serving import WrittenResponse
from streamlanes.transports.writing.writer import Writers

LINES: Final = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class NDJSONLane:
    """Lines of JSON."""

    name: str = "ndjson"
    wire: Wire = NDJSON

    def router(self, service: StreamService) -> APIRouter:
        router = APIRouter(route_class=ProblemRoute)
        lines = StreamingLane(service, self.name, NDJSONFraming())
        writers = Writers(lines, BODY)
        text = StreamingLane(service, self.name, PlainTextFraming())

        @router.get(
            f"/{self.name}/{{stream}}",
            name=self.name,
            summary="Read a stream as lines of JSON",
            response_class=Response,
            responses={
                200: answer(
                    "A line for each event and control message; with `Accept: text/plain`, the bare text.",
                    "application/x-ndjson",
                    "text/plain",
                ),
                **documented(404, 410, 422, 429, 503),
            },
        )
        async def stream_events(request: Request, stream: StreamParameter, after: AfterParameter = "start") -> Response:
            plain = prefers(request.headers.get("accept", ""), "text/plain", LINES)
            place = parse_after(after)
            if plain:
                written = text.follow(stream, await text.open(stream, place)).frames()
                return TextResponse(_characters(written))
            return WrittenResponse(writers, Opening(stream, await lines.open(stream, place)), LINES)

        return router


async def _characters(texts: AsyncGenerator[str, None]) -> AsyncGenerator[bytes, None]:
    whole = WholeCharacters()
    async with aclosing(texts):
        async for text in texts:
            yield whole.feed(text).encode()
    yield whole.end().encode()


class TextResponse(StreamingResponse):
    """A streaming response that closes its generator, and that ends without the final chunk after a CutShort."""

    def __init__(self, texts: AsyncGenerator[bytes, None]) -> None:
        super().__init__(
            texts, media_type="text/plain", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        self._texts = texts

    async def stream_response(self, send: Send) -> None:
        """Send the texts until they end or the client leaves."""
        async with aclosing(self._texts):
            try:
                await super().stream_response(send)
            except CutShort:
                return  # the server closes a connection whose response was left unfinished


TRANSPORT: Final[Transport] = NDJSONLane()
