"""The engine's reader of one stream: what goes wrong is in its record, and it never waits for ever."""

from __future__ import annotations

import asyncio
import dataclasses
import time
import zlib
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import aiohttp
import httpx
import pytest
from yarl import URL

from streamlanes import transports
from streamlanes.benchmarks.analysis.gate import Correctness, judge
from streamlanes.benchmarks.engine import wires
from streamlanes.benchmarks.engine.decoding.decoder import Events, ReadingFailed
from streamlanes.benchmarks.engine.load import ShardLoad
from streamlanes.benchmarks.engine.recorder import Recorder
from streamlanes.benchmarks.engine.sending import Sender
from streamlanes.benchmarks.engine.shard import ShardError, work
from streamlanes.benchmarks.kinds import broadcast
from streamlanes.benchmarks.kinds import load as load_kind
from streamlanes.benchmarks.spec.records import Spec, StartedStream, dump_spec
from streamlanes.benchmarks.spec.tasks import Audience, Rereading, Sessions, Task
from streamlanes.contract.serving import serving
from streamlanes.producers.wire import Wire
from streamlanes.transports import StreamService

FAKE: Final = Wire("fake")
Reading = Callable[[Recorder], Awaitable[None]]


@dataclass
class FakeReader:
    """A wire that does as it is told."""

    reading: Reading
    wire: Wire = FAKE
    way_up: str | None = None

    async def read(
        self, http: aiohttp.ClientSession, url: URL, recorder: Recorder, sender: Sender | None = None
    ) -> None:
        await self.reading(recorder)


def spec(task: Task, *, url: str = "http://127.0.0.1:9", deadline: float = 10.0) -> Spec:
    return Spec(
        url=url,
        lane="fake",
        reader="fake",
        server_pid=None,
        deadline=deadline,
        task=task,
        started=StartedStream(url=f"{url}/fake/s", epoch="e1", events=3),
    )


@pytest.fixture
async def full() -> AsyncIterator[tuple[str, str]]:
    """The URL of a server, and the id of a stream of 10 events that is full when it is asked for."""
    async with serving(StreamService()) as url, httpx.AsyncClient() as http:
        params = {"arrivals": "at-once", "count": 10}
        started = await http.post(f"{url}/start", json={"producer": "ticker", "params": params})
        yield url, started.json()["session_id"]


async def good(recorder: Recorder) -> None:
    recorder.take(time.monotonic_ns(), Events(array("q", [1, 2]), [b"1", b"2"]))
    recorder.take(time.monotonic_ns(), Events())
    recorder.take(time.monotonic_ns(), Events(array("q", [3]), [b"3"]))
    await asyncio.sleep(0)


async def hanging(recorder: Recorder) -> None:
    await asyncio.get_running_loop().create_future()


async def faulty(recorder: Recorder) -> None:
    raise ReadingFailed("nonsense")


async def cut(recorder: Recorder) -> None:
    raise aiohttp.ServerDisconnectedError


async def test_a_reader_records_two_integers_an_event_and_a_checksum() -> None:
    load = ShardLoad(spec(Audience(readers=1, spread=0)), FakeReader(good))
    engine = await load.run()
    (reader,) = engine.readers
    assert (reader.events, reader.checksum, reader.error) == (3, zlib.crc32(b"1\n2\n3\n"), None)
    (column,) = (recorder.column for recorder in load.recorders)
    assert list(column.offsets) == [1, 2, 3]
    first, second, third = column.received
    assert engine.samples[0].at_ns <= first == second <= third <= engine.samples[-1].at_ns
    assert engine.samples[0].server.cpu_ns is None


@pytest.mark.parametrize("lane", ["sse", "ws", "poll", "ndjson"])
async def test_the_stream_is_read_again_until_there_is_time_enough(full: tuple[str, str], lane: str) -> None:
    url, stream = full
    task = Rereading(stream=stream, events=10, seconds=0.2)
    given = dataclasses.replace(spec(task, url=url), lane=lane)
    engine = await ShardLoad(given, wires.discover()[transports.discover()[lane].wire]).run()
    assert len(engine.readers) > 1
    assert [reader.index for reader in engine.readers] == list(range(len(engine.readers)))
    assert {(reader.events, reader.outcome, reader.error) for reader in engine.readers} == {(10, "completed", None)}
    assert engine.window_ns >= 200_000_000


@pytest.mark.parametrize(
    ("reading", "error"),
    [
        (hanging, "the stream didn't end by the trial's deadline"),
        (faulty, "nonsense"),
        (cut, "Server disconnected"),
    ],
)
async def test_faults_are_recorded(full: tuple[str, str], reading: Reading, error: str) -> None:
    url, stream = full
    task = Rereading(stream=stream, events=10, seconds=5)
    engine = await ShardLoad(spec(task, url=url, deadline=0.05), FakeReader(reading)).run()
    assert [reader.error for reader in engine.readers] == [error]
    assert engine.window_ns < 5_000_000_000
    engine = await ShardLoad(spec(Audience(readers=2, spread=0), deadline=0.05), FakeReader(reading)).run()
    assert [reader.error for reader in engine.readers] == [error, error]


@pytest.mark.parametrize("lane", ["sse", "ws", "poll", "ndjson"])
async def test_an_audience_gets_the_one_stream_once_each(lane: str) -> None:
    part = broadcast.Broadcast(readers=(5,), deliveries=500, seconds=0.5, warm_up=0)
    workload = (await asyncio.to_thread(part.workloads, seed=1, round_number=1))[0]
    (expected,) = workload.expected
    assert workload.stream is not None
    async with serving(StreamService()) as url:
        async with httpx.AsyncClient() as http:
            request = {"producer": workload.stream.producer, "params": dict(workload.stream.params)}
            begins_at = time.time() + expected.first_ns / 1e9
            started = (await http.post(f"{url}/start", json=request)).json()
        epoch = started["cursor"].partition(":")[0]
        given = dataclasses.replace(
            spec(workload.task, url=url),
            lane=lane,
            begins_at=begins_at,
            started=StartedStream(url=url + started["links"][lane], epoch=epoch, events=expected.events),
        )
        load = ShardLoad(given, wires.discover()[transports.discover()[lane].wire])
        engine = await load.run()
    assert [reader.index for reader in engine.readers] == list(range(5))
    for reader, recorder in zip(engine.readers, load.recorders, strict=True):
        assert judge(reader, recorder.column, expected) == Correctness()
        assert reader.events == 50


async def test_an_audience_comes_at_its_times() -> None:
    engine = await ShardLoad(spec(Audience(readers=4, spread=0.04)), FakeReader(good)).run()
    first, *others = (reader.scheduled_ns for reader in engine.readers)
    assert [at_ns - first for at_ns in others] == [10_000_000, 20_000_000, 30_000_000]
    assert all(reader.request_ns >= reader.scheduled_ns for reader in engine.readers)
    assert [reader.epoch for reader in engine.readers] == ["e1"] * 4


async def test_shards_share_an_audience() -> None:
    parts = []
    for shard in (0, 1, 2):
        given = dataclasses.replace(spec(Audience(readers=5, spread=0)), shard=shard, shards=3)
        parts.append([reader.index for reader in (await ShardLoad(given, FakeReader(good)).run()).readers])
    assert parts == [[0, 3], [1, 4], [2]]


async def test_an_audience_leaves_when_it_is_to() -> None:
    engine = await ShardLoad(spec(Audience(readers=2, spread=0, stay=0.05), deadline=60), FakeReader(hanging)).run()
    assert [(reader.error, reader.outcome) for reader in engine.readers] == [(None, None)] * 2
    assert engine.window_ns >= 50_000_000


async def test_the_window_begins_when_it_is_to() -> None:
    """What the readers do before, connecting above all, is in no figure."""
    begins_at = time.time() + 1.5

    async def until_later(recorder: Recorder) -> None:
        while time.time() < begins_at + 0.05:
            await asyncio.sleep(0.01)

    given = dataclasses.replace(spec(Audience(readers=1, spread=0)), begins_at=begins_at)
    engine = await ShardLoad(given, FakeReader(until_later)).run()
    (reader,) = engine.readers
    assert engine.samples[0].at_ns - reader.request_ns > 0


async def test_a_stream_of_another_epoch_is_not_the_one_that_was_started() -> None:
    async def other(recorder: Recorder) -> None:
        recorder.epoch = "e2"

    engine = await ShardLoad(spec(Audience(readers=1, spread=0)), FakeReader(other)).run()
    assert [reader.error for reader in engine.readers] == ["the stream is of epoch e2, but e1 was started"]


async def test_a_shard_that_comes_too_late_for_its_sessions_says_so() -> None:
    task = Sessions(sessions=tuple(load_kind.Load(clients=2).sessions(seed=1, round_number=1)))
    given = dataclasses.replace(spec(task), begins_at=time.time() - 1, shard=1, shards=2)
    with pytest.raises(ReadingFailed, match=r"shard 1 came \d\.\d\d s late; are there 2 workers for them\?"):
        await ShardLoad(given, FakeReader(good)).run()


def test_a_wire_that_the_engine_does_not_know() -> None:
    with pytest.raises(ShardError, match="can't read lane fake: it has no reader named 'fake'"):
        work(dump_spec(spec(Audience(readers=1, spread=0))))


def test_a_server_that_is_not_there_is_the_shard_s_error() -> None:
    with pytest.raises(ShardError, match="Cannot connect"):
        work(dump_spec(dataclasses.replace(spec(Rereading(stream="s", events=1, seconds=0)), reader="sse", lane="sse")))
