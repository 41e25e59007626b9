"""`python -m streamlanes.demos.readers`: further readers of one stream, in a process of their own.

Standard input has the `CrowdOrders`, as JSON. A line of `LaneCounts` comes on standard output when the readers have
been sent on their way, and then every `REPORT_SECONDS` until all of them have ended.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final, NamedTuple

import aiohttp
from pydantic import TypeAdapter
from yarl import URL

from streamlanes.benchmarks.engine import wires
from streamlanes.benchmarks.engine.connections.http import client
from streamlanes.benchmarks.engine.decoding.decoder import Events, ReadingFailed
from streamlanes.benchmarks.engine.recorder import Recorder
from streamlanes.benchmarks.machine.event_loop import loop_factory

REPORT_SECONDS: Final = 0.25
ARRIVAL_SECONDS: Final = 0.001
"""Seconds between one reader and the next: all at once would be a load test of accepting."""


class LaneLink(NamedTuple):
    """Where to read, and over which wire."""

    url: str
    wire: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdOrders:
    """What to read: so many readers, evenly over the links."""

    links: Sequence[LaneLink]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneCounts:
    """How they fare."""

    count: int = 0
    """Number of readers that are reading."""
    received: int = 0
    """Events, of all together, also of those that have ended."""
    faults: int = 0
    """Readers that ended early, or were told of missing events, or got one that wasn't the last plus one."""


ORDERS: Final = TypeAdapter(CrowdOrders)
COUNTS: Final = TypeAdapter(LaneCounts)


class Counter(Recorder):
    """Counts events and keeps none; their offsets must go on by one."""

    def __init__(self) -> None:
        super().__init__(time.monotonic_ns())
        self.received = 0
        self._last = 0

    def take(self, received_ns: int, events: Events) -> None:
        """Count *events*. Raises ReadingFailed for offsets that don't go on where the last ones ended."""
        offsets = events.offsets
        if not offsets:
            return
        first = self._last + 1 if self._last else offsets[0]
        if offsets != array("q", range(first, first + len(offsets))):
            raise ReadingFailed(f"events {offsets[0]} to {offsets[-1]} came after {self._last}")
        self._last = offsets[-1]
        self.received += len(offsets)


class Crowd:
    """The readers of this process."""

    def __init__(self) -> None:
        self._counters: list[Counter] = []
        self._reading = 0
        self._faults = 0

    @property
    def counts(self) -> LaneCounts:
        """As of now."""
        received = sum(counter.received for counter in self._counters)
        return LaneCounts(count=self._reading, received=received, faults=self._faults)

    async def read(self, orders: CrowdOrders) -> None:
        """Read until all streams have ended, and report."""
        async with asyncio.TaskGroup() as tasks:
            for link in islice(cycle(orders.links), orders.count):
                tasks.create_task(self._one(link))
                await asyncio.sleep(ARRIVAL_SECONDS)
            self._report()
            while self._reading:
                await asyncio.sleep(REPORT_SECONDS)
                self._report()

    async def _one(self, link: LaneLink) -> None:
        counter = Counter()
        self._counters.append(counter)
        self._reading += 1
        try:
            await _read(link, counter)
        except (ReadingFailed, aiohttp.ClientError, OSError, json.JSONDecodeError) as error:
            self._faults += 1
            sys.stderr.write(f"{str(error) or type(error).__name__}\n")
        finally:
            self._reading -= 1

    def _report(self) -> None:
        sys.stdout.write(COUNTS.dump_json(self.counts).decode() + "\n")
        sys.stdout.flush()


async def _read(link: LaneLink, counter: Counter) -> None:
    async with client(counter) as http:
        await wires.discover()[link.wire].read(http, URL(link.url, encoded=True), counter)
    if counter.missing:
        raise ReadingFailed(f"{counter.missing} events were missing")


def main() -> None:
    """Do what standard input says."""
    orders = ORDERS.validate_json(sys.stdin.buffer.read())
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(Crowd().read(orders))


if __name__ == "__main__":
    main()
