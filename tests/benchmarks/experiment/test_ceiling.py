"""The load engine at its own limit: it must not be what a comparison of lanes measures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
import pytest
from yarl import URL

from streamlanes.benchmarks.engine.decoding.decoder import ReadingFailed
from streamlanes.benchmarks.engine.recorder import Recorder
from streamlanes.benchmarks.engine.wires import discover
from streamlanes.benchmarks.experiment.ceiling import EVENT_TARGET_US, POLL_TARGET_US, measure_wire
from streamlanes.benchmarks.machine.processes import placement
from streamlanes.benchmarks.servers.http import Connection, Request, listening, response
from streamlanes.benchmarks.servers.null import LANES
from streamlanes.producers.wire import LONG_POLL, Wire

TRIES = 3
"""The machine may be busy with something else; the engine must be good enough in one of them."""


@pytest.mark.parametrize("wire", LANES.values())
def test_every_wire_can_be_measured(wire: Wire) -> None:
    measured = measure_wire(wire, placement(), events=1_000, seconds=0.1)
    assert measured.rate > 1_000
    assert measured.events_per_poll == (256 if wire == LONG_POLL else None)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("wire", [wire for wire in LANES.values() if wire != LONG_POLL])
def test_an_event_costs_little(wire: Wire) -> None:
    assert best(lambda: measure_wire(wire, placement()).engine_us) <= EVENT_TARGET_US


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_small_poll_costs_little() -> None:
    assert (
        best(lambda: measure_wire(LONG_POLL, placement(), events=2_000, events_per_poll=1).engine_us) <= POLL_TARGET_US
    )


def best(measure: Callable[[], float | None]) -> float:
    found = [measure() for _ in range(TRIES)]
    known = [figure for figure in found if figure is not None]
    if not known:
        pytest.skip("the system doesn't tell what CPU time a process has used")
    return min(known)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (response("410 Gone", b'{"detail":"expired"}'), 'GET /poll: 410, not 200: {"detail":"expired"}'),
        (response("200 OK", b"x" * 50)[:-10], "the server closed the connection before the end"),
        (b"HTTP/1.1 200 OK\r\n", "the server closed the connection before the end"),
        (b"", "the server closed the connection before the end"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "not a response that has a length"),
    ],
)
async def test_what_polls_may_not_be_answered_with(answer: bytes, fault: str) -> None:
    def misbehave(connection: Connection, request: Request) -> None:
        connection.write(answer)
        connection.close()

    async with asyncio.timeout(10), listening(misbehave, 0) as url, aiohttp.ClientSession() as http:
        with pytest.raises(ReadingFailed) as error:
            await discover()[LONG_POLL].read(http, URL(url) / "poll" / "secret", Recorder(0))
    assert fault in str(error.value)
    assert "secret" not in str(error.value)
