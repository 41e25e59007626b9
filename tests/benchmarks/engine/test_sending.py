"""The way up: messages at their times, on every wire, and what a refusal makes of a trial."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from types import MappingProxyType

import pytest
from yarl import URL

from streamlanes.benchmarks.analysis.gate import Correctness, judge
from streamlanes.benchmarks.engine import wires
from streamlanes.benchmarks.engine.load import ShardLoad
from streamlanes.benchmarks.engine.sending import Sender, sending
from streamlanes.benchmarks.engine.shard import ShardError, work
from streamlanes.benchmarks.engine.timers import Alarm
from streamlanes.benchmarks.kinds.rtt import Rtt
from streamlanes.benchmarks.spec.expected import expect
from streamlanes.benchmarks.spec.records import (
    Engine,
    Sends,
    Spec,
    dump_spec,
    pack,
    read_engines,
    read_sends,
    write_record,
)
from streamlanes.benchmarks.spec.tasks import Sessions
from streamlanes.contract.serving import serving
from streamlanes.producers import echo
from streamlanes.producers.catalogue import PRODUCERS
from streamlanes.producers.events import Item
from streamlanes.producers.producer import Context, Producer
from streamlanes.producers.wire import LONG_POLL, NDJSON, SSE, WEBSOCKET
from streamlanes.transports import discover
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.service.settings import Settings

NOWHERE = URL("http://127.0.0.1:9/send/x")
RTT = Rtt(clients=2, messages=15, rate=200.0, size=100)
LANES = {"sse": SSE, "ws": WEBSOCKET, "poll": LONG_POLL, "ndjson": NDJSON}


def conversations(rtt: Rtt = RTT, *, warm_up: bool = False) -> Sessions:
    (workload,) = rtt.workloads(seed=1, round_number=1)
    assert isinstance(workload.task, Sessions)
    assert workload.task.warm_up is not None
    return workload.task if warm_up else dataclasses.replace(workload.task, warm_up=None)


def spec(url: str, lane: str, task: Sessions, deadline: float = 10.0) -> Spec:
    return Spec(url=url, lane=lane, reader=LANES[lane], server_pid=None, deadline=deadline, task=task)


async def run(given: Spec) -> tuple[Engine, ShardLoad]:
    load = ShardLoad(given, wires.discover()[LANES[given.lane]])
    return await load.run(), load


@pytest.mark.parametrize("lane", LANES)
async def test_every_message_comes_back_once_and_as_it_was(tmp_path: Path, lane: str) -> None:
    async with serving(StreamService(journal=tmp_path)) as url:
        task = await asyncio.to_thread(conversations, warm_up=True)  # which has an event loop of its own
        engine, load = await run(spec(url, lane, task))
    recorders = load.recorders
    write_record(tmp_path, 0, pack(engine, (each.column for each in recorders), (each.sends for each in recorders)))
    ((engine, columns),) = read_engines(tmp_path)
    streams = await asyncio.to_thread(expect, task.sessions)
    for reader, column, sends, expected in zip(
        engine.readers, columns, read_sends(tmp_path, 0, engine), streams, strict=True
    ):
        assert judge(reader, column, expected) == Correctness()
        assert reader.sent == reader.events == 15
        interval = 5_000_000
        assert [due - sends.due[0] for due in sends.due] == [n * interval for n in range(15)]
        for due, ready, sent, received in zip(sends.due, sends.ready, sends.sent, column.received, strict=True):
            assert due <= ready <= sent < received
        # What came before was preparation. Where other programs have the CPUs, the sample is late.
        assert engine.samples[0].at_ns <= sends.due[0] + 200_000_000
        assert engine.samples[-1].at_ns >= column.received[-1]


async def hesitant(params: echo.EchoParams, context: Context) -> AsyncGenerator[Item, None]:
    """Take nothing."""
    await asyncio.get_running_loop().create_future()
    yield Item(None)


@pytest.mark.parametrize("lane", LANES)
async def test_a_refused_message_ends_the_reading_with_the_reason(tmp_path: Path, lane: str) -> None:
    producers = MappingProxyType({**PRODUCERS, "echo": Producer("echo", echo.EchoParams, hesitant)})
    service = StreamService(producers=producers, settings=Settings(max_inbox=3, drain=0))
    async with serving(service) as url:
        task = await asyncio.to_thread(conversations, dataclasses.replace(RTT, clients=1))
        engine, load = await run(spec(url, lane, task))
    (reader,) = engine.readers
    assert "the producer hasn't taken what was sent before; send it again later" in (reader.error or "")
    assert reader.events == 0
    assert 4 <= reader.sent <= 15
    (expected,) = await asyncio.to_thread(expect, task.sessions)
    verdict = judge(reader, load.recorders[0].column, expected)
    assert verdict.lost == 15
    assert verdict.failures


async def test_a_slow_way_up_is_charged_to_what_it_delays() -> None:
    sends = Sends()
    begin_ns = time.monotonic_ns() + 5_000_000

    async def send(text: str) -> None:
        await asyncio.sleep(0.03 if text == "1" else 0)

    with Alarm() as alarm:
        messages = [(begin_ns, "1"), (begin_ns + 1_000_000, "2"), (begin_ns + 600_000_000, "3")]
        sender = Sender(url=NOWHERE, alarm=alarm, ready_ns=0, messages=messages, sends=sends)
        async with sending(sender, send):
            while not sender.has_sent_all:
                await asyncio.sleep(0.001)
    held = [ready - due for due, ready in zip(sends.due, sends.ready, strict=True)]
    assert held[0] == held[2] == 0
    assert 25_000_000 < held[1] < 1_000_000_000
    assert list(sends.due) == [due for due, _ in messages]  # a stall doesn't move the schedule


async def test_what_is_not_sent_when_the_reading_ends_is_not_sent() -> None:
    sends = Sends()
    with Alarm() as alarm:
        far = [(time.monotonic_ns() + 3_600_000_000_000, "1")]

        async def send(text: str) -> None:
            raise AssertionError

        async with sending(Sender(url=NOWHERE, alarm=alarm, ready_ns=0, messages=far, sends=sends), send):
            await asyncio.sleep(0)
    assert not sends.sent


async def test_the_alarm_wakes_in_the_order_of_the_times() -> None:
    woken: list[tuple[int, int]] = []
    begin_ns = time.monotonic_ns() + 20_000_000

    async def wait(number: int) -> None:
        await alarm.until(begin_ns + number * 2_000_000)
        woken.append((number, time.monotonic_ns()))

    with Alarm() as alarm:
        async with asyncio.TaskGroup() as tasks:
            for number in (5, 1, 3, 2, 4, 0):
                tasks.create_task(wait(number))
    assert [number for number, _ in woken] == list(range(6))
    assert all(at_ns >= begin_ns + number * 2_000_000 for number, at_ns in woken)


def test_every_product_lane_has_a_way_up() -> None:
    ways = {lane: wires.discover()[transport.wire].way_up for lane, transport in discover().items()}
    assert {lane: ways[lane] for lane in LANES} == {"sse": "POST", "ws": "frame", "poll": "POST", "ndjson": "POST"}


def test_a_wire_without_a_way_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(wires.discover()[SSE]), "way_up", None)
    with pytest.raises(ShardError, match="its wire 'sse' has no way up"):
        work(dump_spec(spec("http://127.0.0.1:9", "sse", conversations())))
