"""What the viewer does to the network and the server reaches the readers, and no event is lost by it."""

from __future__ import annotations

import asyncio
import time

import pytest

from streamlanes import clients
from streamlanes.benchmarks.machine.processes import ProcessError
from streamlanes.clients import EventStream, Options
from streamlanes.demos.network import BUFFER_SECONDS, HELD, LaneNetwork
from streamlanes.demos.stage import Stage, StagedLane, staged
from streamlanes.producers.errors import UnknownStream
from tests.benchmarks.living import is_gone
from tests.demos.staging import DEADLINE

QUICK = Options(first_delay=0.05)
LANES = ("sse", "ws", "poll", "ndjson")


async def test_what_happens_to_connections_costs_no_event() -> None:
    """On one stage, since each has a server to start."""
    async with asyncio.timeout(DEADLINE), staged() as stage:
        await cuts_are_resumed_on_every_lane(stage)
        await a_stall_is_late_and_nobody_reconnects(stage)
        await a_delay_is_of_both_directions(stage)


async def test_a_buffering_proxy() -> None:
    async with asyncio.timeout(DEADLINE), staged() as stage:
        await it_holds_responses_that_go_on_and_no_others(stage)
        await what_it_holds_goes_on_when_it_is_turned_off(stage)


async def test_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    async with asyncio.timeout(DEADLINE), staged() as stage:
        await it_forgets_streams_and_is_reached_by_the_same_relays(stage)
        await one_that_fails_is_told_and_can_be_tried_again(stage, monkeypatch)


async def started(stage: Stage, count: int, rate: int) -> tuple[str, dict[str, str]]:
    begun = await clients.start(stage.server.url, "ticker", {"count": count, "rate": rate})
    return begun.cursor.epoch, {name: stage.lanes[name].through(begun.links[name]) for name in LANES}


def connect(lane: StagedLane, url: str) -> EventStream:
    return clients.discover()[lane.wire].connect(url, options=QUICK)


async def cuts_are_resumed_on_every_lane(stage: Stage) -> None:
    _, links = await started(stage, 150, 200)

    async def read(name: str) -> tuple[list[int], int]:
        lane, offsets = stage.lanes[name], []
        async with connect(lane, links[name]) as stream:
            async for event in stream:
                offsets.append(event.offset)
                if len(offsets) == 30:
                    lane.cut()
        return offsets, stream.reconnects

    for name, (offsets, reconnects) in zip(LANES, await asyncio.gather(*map(read, LANES)), strict=True):
        assert offsets == list(range(1, 151)), name
        assert reconnects == 1, name
        assert stage.lanes[name].relay.counts.cut == 1


async def a_stall_is_late_and_nobody_reconnects(stage: Stage) -> None:
    epoch, links = await started(stage, 150, 200)

    async def read(name: str) -> tuple[list[int], int, float]:
        lane, times = stage.lanes[name], dict[int, int]()
        async with connect(lane, links[name]) as stream:
            async for event in stream:
                times[event.offset] = time.monotonic_ns()
                if event.offset == 30:
                    lane.stall(0.4)
        due = stage.stamps(epoch, 0)
        return list(times), stream.reconnects, max(at - due[offset - 1].due for offset, at in times.items()) / 1e9

    for name, (offsets, reconnects, worst) in zip(LANES, await asyncio.gather(*map(read, LANES)), strict=True):
        assert offsets == list(range(1, 151)), name
        assert reconnects == 0, name
        assert worst > 0.35, name
        assert not stage.lanes[name].stalled


async def it_holds_responses_that_go_on_and_no_others(stage: Stage) -> None:
    begun = await clients.start(stage.server.url, "ticker", {"rate": 50})
    for lane in stage.lanes.values():
        lane.shape(LaneNetwork(buffering=True))

    async def first_event(name: str) -> float:
        lane, begin = stage.lanes[name], time.monotonic()
        async with connect(lane, lane.through(begun.links[name])) as stream:
            await anext(stream)
        return time.monotonic() - begin

    for name, seconds in zip(LANES, await asyncio.gather(*map(first_event, LANES)), strict=True):
        held = stage.lanes[name].wire in HELD
        assert (seconds >= BUFFER_SECONDS) == held, (name, seconds)


async def what_it_holds_goes_on_when_it_is_turned_off(stage: Stage) -> None:
    begun = await clients.start(stage.server.url, "ticker", {"rate": 50})
    lane = stage.lanes["sse"]
    lane.shape(LaneNetwork(buffering=True))
    async with asyncio.timeout(BUFFER_SECONDS - 1), asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(anext(connect(lane, lane.through(begun.links["sse"]))))
        while not lane.relay.counts.open:
            await asyncio.sleep(0.01)
        lane.shape(LaneNetwork())
        assert (await reading).offset == 1


async def a_delay_is_of_both_directions(stage: Stage) -> None:
    begun = await clients.start(stage.server.url, "ticker", {"rate": 50})
    lane = stage.lanes["poll"]
    lane.shape(LaneNetwork(delay=0.1))
    begin = time.monotonic()
    async with connect(lane, lane.through(begun.links["poll"])):
        assert time.monotonic() - begin >= 0.2


async def it_forgets_streams_and_is_reached_by_the_same_relays(stage: Stage) -> None:
    epoch, links = await started(stage, 10_000, 100)
    address, old = stage.server.url, stage.server.pid
    assert old is not None

    async def read(name: str) -> None:
        async with connect(stage.lanes[name], links[name]) as stream:
            async for _ in stream:
                reading.release()

    reading = asyncio.Semaphore(0)
    readers = [asyncio.create_task(read(name)) for name in LANES]
    for _ in LANES:
        await reading.acquire()
    assert await stage.restart() == 2
    assert is_gone(old)
    assert stage.server.url == address
    assert [type(error) for error in await asyncio.gather(*readers, return_exceptions=True)] == [UnknownStream] * 4
    assert stage.stamps(epoch, 0)  # what the old one has written is still there
    _, links = await started(stage, 20, 1000)
    for name in LANES:
        async with connect(stage.lanes[name], links[name]) as stream:
            assert [event.offset async for event in stream] == list(range(1, 21))


async def one_that_fails_is_told_and_can_be_tried_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMLANES_HEARTBEAT", "never")
    with pytest.raises(ProcessError, match=r"the server didn't start: .*STREAMLANES_HEARTBEAT"):
        await stage.restart()
    assert not stage.server.alive
    monkeypatch.delenv("STREAMLANES_HEARTBEAT")
    assert await stage.restart() == 3
    _, links = await started(stage, 1, 1000)
    async with connect(stage.lanes["sse"], links["sse"]) as stream:
        assert [event.offset async for event in stream] == [1]
