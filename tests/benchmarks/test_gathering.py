"""Where nothing is timed, small pieces are read together; nowhere else."""

from __future__ import annotations

import asyncio
from typing import Final

import httpx
import pytest

import transports
from benchmarks.engine import body, upgrade, wires
from benchmarks.engine.decoding import Events
from benchmarks.engine.gathering import ENOUGH, gather
from benchmarks.engine.load import Load
from benchmarks.records import Spec, Started
from benchmarks.tasks import Again, Audience, Task
from tests.serving import serving
from transports import StreamService

SOME: Final = Events([1], [b"1"])
NONE: Final = Events([], [])
EVENTS: Final = 5_000
"""More than come at once."""


class Transport(asyncio.Transport):
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.closing = False

    def pause_reading(self) -> None:
        self.asked.append("pause")

    def resume_reading(self) -> None:
        self.asked.append("resume")

    def is_closing(self) -> bool:
        return self.closing


async def test_after_a_small_piece_reading_stops_for_a_moment() -> None:
    transport = Transport()
    gathering = asyncio.create_task(gather(transport, b"x", SOME))
    await asyncio.sleep(0)
    assert transport.asked == ["pause"]
    await asyncio.wait_for(gathering, 5)
    assert transport.asked == ["pause", "resume"]


@pytest.mark.parametrize(("chunk", "events"), [(b"x" * ENOUGH, SOME), (b"x", NONE)])
async def test_other_pieces_let_it_go_on(chunk: bytes, events: Events) -> None:
    transport = Transport()
    await gather(transport, chunk, events)
    assert transport.asked == []


async def test_a_reader_that_is_given_up_leaves_its_connection_as_it_was() -> None:
    transport = Transport()
    gathering = asyncio.create_task(gather(transport, b"x", SOME))
    await asyncio.sleep(0)
    gathering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gathering
    assert transport.asked == ["pause", "resume"]


async def test_a_connection_that_is_gone_is_left_alone() -> None:
    transport = Transport()
    gathering = asyncio.create_task(gather(transport, b"x", SOME))
    await asyncio.sleep(0)
    transport.closing = True
    await asyncio.wait_for(gathering, 5)
    await gather(transport, b"x", SOME)
    await gather(None, b"x", SOME)
    assert transport.asked == ["pause"]


@pytest.mark.parametrize("lane", ["sse", "ws", "ndjson"])
async def test_only_a_stream_that_is_read_again_and_again_is_read_so(
    monkeypatch: pytest.MonkeyPatch, lane: str
) -> None:
    gathered = 0

    async def counting(transport: asyncio.Transport | None, chunk: bytes, events: Events) -> None:
        nonlocal gathered
        gathered += 0 if transport is None else len(events.offsets)
        await gather(transport, chunk, events)

    monkeypatch.setattr(body, "gather", counting)
    monkeypatch.setattr(upgrade, "gather", counting)
    async with serving(StreamService()) as url, httpx.AsyncClient() as http:
        params = {"arrivals": "at-once", "count": EVENTS}
        started = (await http.post(f"{url}/start", json={"producer": "ticker", "params": params})).json()
        stream, epoch = started["session_id"], started["cursor"].partition(":")[0]

        async def read(task: Task) -> None:
            to_read = Started(url=f"{url}/{lane}/{stream}", epoch=epoch, events=EVENTS)
            spec = Spec(url=url, lane=lane, reader=lane, server_pid=None, deadline=10, task=task, started=to_read)
            (reader,) = (await Load(spec, wires.discover()[transports.discover()[lane].wire]).run()).readers
            assert (reader.events, reader.error) == (EVENTS, None)

        await read(Audience(readers=1, spread=0))
        assert gathered == 0
        await read(Again(stream=stream, events=EVENTS, seconds=0))
        assert gathered in range(1, EVENTS + 1)
