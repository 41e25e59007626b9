"""Server-sent events: httpx, with httpx-sse's decoder."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import httpx
from httpx_sse import ServerSentEvent

from streamlanes.clients.address import Address
from streamlanes.clients.http import get_stream
from streamlanes.clients.messages import Message, control, excerpt, json_extent, json_object, received
from streamlanes.clients.options import DEFAULTS, Options
from streamlanes.clients.sending import Posts
from streamlanes.clients.stream import Client, EventStream
from streamlanes.producers.errors import ProtocolViolation
from streamlanes.producers.event_stream import EVENT_STREAM, server_sent_events
from streamlanes.producers.events import After
from streamlanes.producers.wire import SSE, SSE_CONTROL_PREFIX, Wire


class SSEClient:
    """Reads `text/event-stream`."""

    wire: Wire = SSE

    def connect(self, url: str, *, after: After = "start", options: Options = DEFAULTS) -> EventStream:
        """Return the stream at *url*, to be entered with `async with`. Raises ValueError for what isn't a URL."""
        address = Address.parse(url)

        async def receive(after: After) -> AsyncGenerator[Message, None]:
            # With a second media type in Accept, the server answers with statuses, which EventSource couldn't see.
            url = address.http(after=str(after))
            async with (
                get_stream(url, accept=EVENT_STREAM, after=after, options=options) as response,
                aclosing(read(response, max_event_bytes=options.max_event_bytes)) as messages,
            ):
                async for message in messages:
                    yield message

        return EventStream(receive, Posts(address, options), after=after, options=options)


async def read(response: httpx.Response, *, max_event_bytes: int) -> AsyncGenerator[Message, None]:
    """Yield the messages in a response, however its bytes are cut. Part of one, before a cut, is none."""
    async with aclosing(server_sent_events(response, max_event_bytes=max_event_bytes)) as events:
        async for event in events:
            message = decode(event)
            if message is not None:
                yield message


def decode(event: ServerSentEvent) -> Message | None:
    """Return the message in an event, or None: a block without data (a comment, `retry`) isn't to be dispatched.

    Raises ProtocolViolation. The id that httpx-sse reports is the last one seen, also where an event has none.
    """
    if not event.data:
        return None
    if event.event.startswith(SSE_CONTROL_PREFIX):
        return control(event.event.removeprefix(SSE_CONTROL_PREFIX), json_object(event.data))
    if json_extent(event.data) != len(event.data):
        raise ProtocolViolation(f"{excerpt(event.data)} isn't one JSON value")
    return received(event.id, event.event, event.data)


CLIENT: Final[Client] = SSEClient()
