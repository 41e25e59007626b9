"""The event log in memory: append, which serialises, and read."""

from __future__ import annotations

from pytest_benchmark.fixture import BenchmarkFixture

from streamlanes.producers.events import Event, Item
from streamlanes.producers.log.event_log import Retention
from streamlanes.producers.log.memory import MemoryLog
from tests.micro.streams import finished, make_values


async def filled(items: list[Item]) -> MemoryLog:
    log = MemoryLog()
    await log.create("s", Retention())
    await log.append("s", items)
    return log


def test_append(benchmark: BenchmarkFixture, size: int, count: int, events: list[Event]) -> None:
    items = [Item(value) for value in make_values(size, count)]
    log = benchmark(lambda: finished(filled(items)))
    assert finished(log.info("s")).head.offset == len(events)


def test_read(benchmark: BenchmarkFixture, size: int, count: int, events: list[Event]) -> None:
    log = finished(filled([Item(value) for value in make_values(size, count)]))
    read = benchmark(lambda: finished(log.read("s", "start", limit=count, max_bytes=2**30, wait=0)))
    assert list(read.events) == events
