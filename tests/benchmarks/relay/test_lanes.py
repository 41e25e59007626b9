"""Every lane and its client through a relay that cuts every connection somewhere: the stream is the log's."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from urllib.parse import urlsplit

import pytest

from streamlanes import clients
from streamlanes.benchmarks.relay import Cut, DropResponse, Fault, Relay, Schedule
from streamlanes.clients import Options
from streamlanes.contract.serving import serving
from streamlanes.producers.events import Outcome
from streamlanes.transports import SharedStream, StreamService, Transport, discover

TRANSPORTS = discover()
EVENTS = 600


def cut_anywhere(_: int, rng: random.Random) -> Sequence[Fault]:
    """In the middle of the request or of what comes back, and now and then behind it all."""
    return [
        Cut(direction="up", after_bytes=rng.randrange(600)),
        Cut(direction="down", after_bytes=rng.randrange(100_000)),
    ]


def drop_a_few(index: int, _: random.Random) -> Sequence[Fault]:
    """The first response of a connection or the second, which only a poll has."""
    return [DropResponse(request=1 + index % 2)] if index < 5 else []


@pytest.fixture(params=sorted(TRANSPORTS))
def transport(request: pytest.FixtureRequest) -> Transport:
    return TRANSPORTS[request.param]


@pytest.mark.parametrize(("schedule", "seed"), [(cut_anywhere, 1), (cut_anywhere, 2), (drop_a_few, 0)])
async def test_faults_lose_nothing_and_repeat_nothing(transport: Transport, schedule: Schedule, seed: int) -> None:
    shared = SharedStream(name="ended", producer="ticker", params={"count": EVENTS, "arrivals": "at-once", "size": 200})
    service = StreamService(shared=[shared])
    options = Options(first_delay=0.001, max_delay=0.002, attempts=100, open_timeout=5)
    client = clients.discover()[transport.wire]
    async with asyncio.timeout(30), serving(service) as url:
        upstream = urlsplit(url)
        assert upstream.hostname is not None
        assert upstream.port is not None
        async with Relay(upstream.hostname, upstream.port, faults=schedule, seed=seed) as relay:
            async with client.connect(f"{relay.url}/{transport.name}/ended", options=options) as stream:
                events = [event async for event in stream]
            counts = relay.counts
        log = await service.read("ended", "start", limit=EVENTS + 1, max_bytes=10**9, wait=0)
    assert len(log.events) == EVENTS
    assert tuple(events) == log.events
    assert stream.outcome is Outcome.COMPLETED
    assert stream.cursor == log.cursor
    assert counts.cut > 0
    assert counts.accepted > counts.cut
