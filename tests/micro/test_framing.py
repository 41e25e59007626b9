"""From a batch of events to what a lane hands to its server."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from streamlanes.producers.events import Event
from streamlanes.producers.wire import LONG_POLL, NDJSON, SSE, WEBSOCKET, Wire
from streamlanes.transports.framing import NDJSONFraming, SSEFraming, WebSocketFraming
from tests.micro.streams import EPOCH, frame_poll

FRAMINGS: dict[Wire, Callable[[str, Sequence[Event]], bytes | tuple[str, ...]]] = {
    SSE: SSEFraming().events,
    WEBSOCKET: WebSocketFraming().events,
    LONG_POLL: frame_poll,
    NDJSON: NDJSONFraming().events,
}


@pytest.mark.parametrize("wire", FRAMINGS)
def test_frame(benchmark: BenchmarkFixture, wire: Wire, events: list[Event]) -> None:
    framed = benchmark(FRAMINGS[wire], EPOCH, events)
    text = framed.decode() if isinstance(framed, bytes) else "".join(framed)
    assert all(text.count(f"{EPOCH}:{event.offset}") and event.data in text for event in events[-2:])
