"""Server-sent events from any server, as the standard has them: what httpx-sse leaves to its caller.

A byte order mark at the start isn't part of the stream (https://html.spec.whatwg.org/multipage/server-sent-events.html),
and what doesn't end is bounded.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

import httpx
from httpx_sse import EventSource, ServerSentEvent

from streamlanes.producers.errors import ProtocolViolation
from streamlanes.producers.marks import WithoutMark

EVENT_STREAM: Final = "text/event-stream"

_ENDS: Final = (b"\n\n", b"\r\r", b"\n\r")
"""Blank lines, of which each has one of these in it."""


async def server_sent_events(
    response: httpx.Response, *, max_event_bytes: int
) -> AsyncGenerator[ServerSentEvent, None]:
    """Yield the events in *response*, whose media type the caller has checked. Closing closes the response.

    Raises ProtocolViolation for an event, or a line of one, of more than *max_event_bytes*, comments in it included.
    """
    # httpx-sse compares the media type as Python does, and keeps the mark: findings/httpx-sse-content-type.sh and
    # findings/httpx-sse-keeps-the-mark.sh.
    plain = httpx.Response(
        response.status_code,
        headers={"Content-Type": EVENT_STREAM},
        stream=_Bounded(response, max_event_bytes),
        default_encoding="utf-8",
    )
    async with aclosing(EventSource(plain).aiter_sse()) as events:
        async for event in events:
            yield event


class _Bounded(httpx.AsyncByteStream):
    """The bytes of a response, without a mark, as long as events end in time."""

    def __init__(self, response: httpx.Response, limit: int) -> None:
        self._response = response
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        stream, open_bytes, before = WithoutMark(), 0, b""
        async for chunk in self._response.aiter_bytes():
            seam = before + chunk
            last = max((seam.rfind(end) + len(end) for end in _ENDS if end in seam), default=0)
            open_bytes = len(seam) - last if last else open_bytes + len(chunk)
            if open_bytes > self._limit:
                raise ProtocolViolation(f"an event didn't end within {self._limit:,} bytes")
            before = seam[-2:]
            yield stream.feed(chunk)

    async def aclose(self) -> None:
        await self._response.aclose()
