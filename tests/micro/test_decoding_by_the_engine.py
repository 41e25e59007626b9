"""From a connection's bytes to offsets and data, by the load engine, and on into a reader's record."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from streamlanes.benchmarks.engine.decoding.decoder import Events
from streamlanes.benchmarks.engine.decoding.websocket_frames import Frames
from streamlanes.benchmarks.engine.recorder import Recorder
from streamlanes.benchmarks.engine.wires.long_poll import LongPollDecoder
from streamlanes.benchmarks.engine.wires.ndjson import NDJSONDecoder
from streamlanes.benchmarks.engine.wires.sse import SSEDecoder
from streamlanes.benchmarks.engine.wires.websocket import WebSocketDecoder
from streamlanes.producers.events import Event
from streamlanes.producers.wire import LONG_POLL, NDJSON, SSE, WEBSOCKET, Wire
from tests.micro.streams import BODIES, EPOCH

READERS: dict[Wire, Callable[[bytes], Events]] = {
    SSE: lambda content: SSEDecoder().feed(content),
    WEBSOCKET: lambda content: WebSocketDecoder().feed_all(Frames().feed(content)),
    LONG_POLL: lambda content: LongPollDecoder().feed(content),
    NDJSON: lambda content: NDJSONDecoder().feed(content),
}


def taken(events: Sequence[Event]) -> Events:
    return Events(array("q", [event.offset for event in events]), [event.data.encode() for event in events])


@pytest.mark.parametrize("wire", READERS)
def test_decode(benchmark: BenchmarkFixture, wire: Wire, events: list[Event]) -> None:
    decoded = benchmark(READERS[wire], BODIES[wire](EPOCH, events))
    assert (decoded.offsets, b"\n".join(decoded.data)) == (taken(events).offsets, b"\n".join(taken(events).data))


def test_record(benchmark: BenchmarkFixture, events: list[Event]) -> None:
    chunk = taken(events)

    def record() -> Recorder:
        recorder = Recorder(0)
        recorder.take(1, chunk)
        return recorder

    assert benchmark(record).result().events == len(events)
