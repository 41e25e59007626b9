"""Where nothing is timed, small pieces are read together; nowhere else."""

from __future__ import annotations

import time
from array import array
from typing import Final

import httpx
import pytest

from streamlanes import transports
from streamlanes.benchmarks.engine import wires
from streamlanes.benchmarks.engine.connections import body, upgrade
from streamlanes.benchmarks.engine.decoding.decoder import Events
from streamlanes.benchmarks.engine.decoding.gathering import ENOUGH, SECONDS, gather
from streamlanes.benchmarks.engine.load import ShardLoad
from streamlanes.benchmarks.spec.records import Spec, StartedStream
from streamlanes.benchmarks.spec.tasks import Audience, Rereading, Task
from streamlanes.contract.serving import serving
from streamlanes.transports import StreamService

SOME: Final = Events(array("q", [1]), [b"1"])
NONE: Final = Events()
EVENTS: Final = 5_000
"""More than come at once."""


@pytest.mark.parametrize(
    ("chunk", "events", "slept"),
    [(b"x", SOME, [SECONDS]), (b"x" * (ENOUGH - 1), SOME, [SECONDS]), (b"x" * ENOUGH, SOME, []), (b"x", NONE, [])],
)
def test_only_after_a_small_piece_of_events_others_may_gather(
    monkeypatch: pytest.MonkeyPatch, chunk: bytes, events: Events, slept: list[float]
) -> None:
    asked: list[float] = []
    monkeypatch.setattr(time, "sleep", asked.append)
    gather(chunk, events)
    assert asked == slept


@pytest.mark.parametrize("lane", ["sse", "ws", "ndjson"])
async def test_only_a_stream_that_is_read_again_and_again_is_read_so(
    monkeypatch: pytest.MonkeyPatch, lane: str
) -> None:
    gathered = 0

    def counting(chunk: bytes, events: Events) -> None:
        nonlocal gathered
        gathered += len(events.offsets)
        gather(chunk, events)

    monkeypatch.setattr(body, "gather", counting)
    monkeypatch.setattr(upgrade, "gather", counting)
    async with serving(StreamService()) as url, httpx.AsyncClient() as http:
        params = {"arrivals": "at-once", "count": EVENTS}
        started = (await http.post(f"{url}/start", json={"producer": "ticker", "params": params})).json()
        stream, epoch = started["session_id"], started["cursor"].partition(":")[0]

        async def read(task: Task) -> None:
            to_read = StartedStream(url=f"{url}/{lane}/{stream}", epoch=epoch, events=EVENTS)
            spec = Spec(url=url, lane=lane, reader=lane, server_pid=None, deadline=10, task=task, started=to_read)
            (reader,) = (await ShardLoad(spec, wires.discover()[transports.discover()[lane].wire]).run()).readers
            assert (reader.events, reader.error) == (EVENTS, None)

        await read(Audience(readers=1, spread=0))
        assert gathered == 0
        await read(Rereading(stream=stream, events=EVENTS, seconds=0))
        assert gathered in range(1, EVENTS + 1)
