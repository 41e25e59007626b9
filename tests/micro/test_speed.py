"""What an event costs in our own code, per step: `make micro`. In `make test` each runs once, for its result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from clients.jsonwire import decode_message, decode_poll
from producers.events import Cursor, Event, Item, encode_json
from producers.log import Batch, Retention
from producers.memory import MemoryLog
from transports.framing import NDJSONFraming, SSEFraming, WebSocketFraming, poll_body, poll_events

EVENTS = 256
EPOCH = "k3f9a2"


@pytest.fixture(params=[16, 128, 4096], ids=lambda size: f"{size}B")
def events(request: pytest.FixtureRequest) -> list[Event]:
    """A batch of events with payloads of one size."""
    size: int = request.param
    return [Event(n, "message", encode_json("x" * (size - 2))) for n in range(1, EVENTS + 1)]


def frame_poll(epoch: str, events: Sequence[Event]) -> bytes:
    return poll_body(poll_events(epoch, events), Batch(tuple(events), Cursor(epoch, EVENTS), None))


FRAMINGS: dict[str, Callable[[str, Sequence[Event]], bytes | tuple[str, ...]]] = {
    "sse": SSEFraming().events,
    "ws": WebSocketFraming().events,
    "ndjson": NDJSONFraming().events,
    "poll": frame_poll,
}


@pytest.mark.parametrize("wire", FRAMINGS)
def test_frame_256_events(benchmark: BenchmarkFixture, events: list[Event], wire: str) -> None:
    framed = benchmark(FRAMINGS[wire], EPOCH, events)
    assert len(framed) >= EVENTS


def test_decode_256_messages(benchmark: BenchmarkFixture, events: list[Event]) -> None:
    texts = WebSocketFraming().events(EPOCH, events)
    assert len(benchmark(lambda: [decode_message(text) for text in texts])) == EVENTS


def test_decode_a_poll_of_256_events(benchmark: BenchmarkFixture, events: list[Event]) -> None:
    body = frame_poll(EPOCH, events).decode()
    assert len(benchmark(decode_poll, body).events) == EVENTS


def test_append_256_items(benchmark: BenchmarkFixture) -> None:
    items = [Item("x" * 128)] * EVENTS

    async def append() -> int:
        log = MemoryLog()
        await log.create("s", Retention())
        return (await log.append("s", items)).offset

    with asyncio.Runner() as runner:
        assert benchmark(lambda: runner.run(append())) == EVENTS


def test_read_256_events(benchmark: BenchmarkFixture) -> None:
    log = MemoryLog()

    async def fill() -> None:
        await log.create("s", Retention())
        await log.append("s", [Item("x" * 128)] * EVENTS)

    async def read() -> int:
        return len((await log.read("s", "start", limit=EVENTS, max_bytes=10**6, wait=0)).events)

    with asyncio.Runner() as runner:
        runner.run(fill())
        assert benchmark(lambda: runner.run(read())) == EVENTS
