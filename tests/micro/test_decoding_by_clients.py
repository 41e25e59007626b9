"""From what a connection brings to events, by the clients; a WebSocket's messages come from the library."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

import httpx
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from streamlanes.clients import long_poll, ndjson, sse, websocket
from streamlanes.clients.messages import Message, Received
from streamlanes.producers.events import Event
from streamlanes.producers.wire import LONG_POLL, NDJSON, SSE, Wire
from streamlanes.transports.framing import WebSocketFraming
from tests.micro.streams import BODIES, EPOCH, finished


class Body(httpx.AsyncByteStream):
    """A response's body that is there at once."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


async def read_sse(content: bytes) -> list[Message]:
    response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, stream=Body(content))
    return [message async for message in sse.read(response, max_event_bytes=1 << 24)]


def read_ndjson(content: bytes) -> list[Message]:
    return [ndjson.decode(line) for line in ndjson.Lines(1 << 24).feed(content)]


READERS: dict[Wire, Callable[[bytes], Sequence[Message]]] = {
    SSE: lambda content: finished(read_sse(content)),
    LONG_POLL: lambda content: long_poll.decode(content).events,
    NDJSON: read_ndjson,
}


def received(events: Sequence[Event]) -> list[Received]:
    return [Received(EPOCH, event) for event in events]


@pytest.mark.parametrize("wire", READERS)
def test_decode(benchmark: BenchmarkFixture, wire: Wire, events: list[Event]) -> None:
    messages = benchmark(READERS[wire], BODIES[wire](EPOCH, events))
    assert list(messages) == received(events)


def test_decode_websocket_messages(benchmark: BenchmarkFixture, events: list[Event]) -> None:
    texts = WebSocketFraming().events(EPOCH, events)
    assert benchmark(lambda: [websocket.decode(text) for text in texts]) == received(events)
