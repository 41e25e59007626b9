"""Trials with faults: readers that go on where they were, faults at their times, and what comes of both."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import subprocess
import sys
import time
from array import array
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from yarl import URL

from streamlanes.benchmarks.analysis import outages
from streamlanes.benchmarks.analysis.recorded import Reading
from streamlanes.benchmarks.engine.connections.http import check
from streamlanes.benchmarks.engine.decoding.decoder import Events, Lost, ReadingFailed
from streamlanes.benchmarks.engine.recorder import Recorder
from streamlanes.benchmarks.engine.resuming import read_resuming
from streamlanes.benchmarks.engine.sending import Sender
from streamlanes.benchmarks.engine.wires import WireReader
from streamlanes.benchmarks.engine.wires import discover as discover_readers
from streamlanes.benchmarks.experiment import results
from streamlanes.benchmarks.experiment.scenario import PRODUCT_LANES, ScenarioError, find, load
from streamlanes.benchmarks.kinds.recovery import Recovery
from streamlanes.benchmarks.relay import Relay
from streamlanes.benchmarks.relay.timed import TimedFault, What, play
from streamlanes.benchmarks.spec.records import Column, ConnectionTimes
from streamlanes.benchmarks.spec.tasks import Reconnecting
from streamlanes.contract.serving import serving
from streamlanes.producers.catalogue import PRODUCERS
from streamlanes.producers.events import Cursor
from streamlanes.producers.wire import Wire
from streamlanes.transports import discover
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.service.settings import Settings

SCHEDULE: Final = (
    TimedFault(at=0.2, what="cut"),
    TimedFault(at=0.4, what="reset"),
    TimedFault(at=0.6, what="drop"),
    TimedFault(at=0.8, what="stall", seconds=0.25),
    TimedFault(at=1.2, what="bytes", seconds=0.3, size=2_000),
    TimedFault(at=1.6, what="refuse", seconds=0.2),
    TimedFault(at=2.0, what="buffer", seconds=0.4, size=60_000, hold=0.2),
    TimedFault(at=2.5, what="idle", seconds=0.1),
    TimedFault(at=2.8, what="half-open"),
)
POLICY: Final = Reconnecting(first_delay=0.05, max_delay=0.1, silence=0.6, seed=1)
EVENTS: Final = 350
FAKE: Final = Wire("fake")
REFUSED: Final = URL("http://127.0.0.1/sse/x")

SCENARIO: Final = """
[recovery]
rounds = 1
readers = 3
rate = 100
seconds = 2
jitter = 0.05
heartbeat = 0.3
grace = 0.3
first_delay = 0.05
max_delay = 0.2
faults = [{ at = 0.3, what = "cut" }, { at = 0.7, what = "half-open" }, { at = 1.5, what = "drop" }]
"""

FORGETFUL: Final = """
from dataclasses import dataclass

from fastapi import APIRouter, Response
from starlette.responses import StreamingResponse

from streamlanes.producers.events import Cursor, parse_after
from streamlanes.producers.wire import NDJSON, Wire
from streamlanes.transports import StreamService
from streamlanes.transports.follow import StreamingLane
from streamlanes.transports.framing import NDJSONFraming


@dataclass(frozen=True)
class Forgetful:
    name: str = "forgetful"
    wire: Wire = NDJSON

    def router(self, service: StreamService) -> APIRouter:
        router = APIRouter()
        lane = StreamingLane(service, self.name, NDJSONFraming())

        @router.get("/forgetful/{stream}", name=self.name)
        async def stream_events(stream: str, after: str = "start") -> Response:
            place = parse_after(after)
            if isinstance(place, Cursor) and place.offset:
                place = place._replace(offset=place.offset + 1)
            return StreamingResponse(lane.follow(stream, await lane.open(stream, place)).frames())

        return router


TRANSPORT = Forgetful()
"""


async def test_every_product_lane_goes_on_where_it_was_whatever_happens() -> None:
    """All lanes at the same time, of one stream, behind one relay."""
    service = StreamService(settings=Settings(heartbeat=0.3, max_poll_wait=0.3), producers=PRODUCERS)
    began: dict[What, int] = {}
    async with serving(service, [discover()[lane] for lane in PRODUCT_LANES]) as url:
        address = URL(url)
        async with Relay(address.host or "", address.port or 0, seed=1) as relay, asyncio.timeout(30):
            epoch, stream = await start(url)
            begin = time.monotonic() + 0.3
            recorders = {lane: Recorder(0, index) for index, lane in enumerate(PRODUCT_LANES)}
            async with asyncio.TaskGroup() as tasks:
                for lane, recorder in recorders.items():
                    recorder.epoch = epoch
                    reader = discover_readers()[discover()[lane].wire]
                    tasks.create_task(read_resuming(reader, URL(relay.url) / lane / stream, recorder, POLICY))
                tasks.create_task(
                    play(relay, SCHEDULE, begin, lambda fault: began.update({fault.what: time.monotonic_ns()}))
                )
            counts = relay.counts
    assert list(began) == [fault.what for fault in SCHEDULE]
    assert all(began[fault.what] >= (begin + fault.at) * 1e9 for fault in SCHEDULE)
    for lane, recorder in recorders.items():
        received = recorder.column.received
        assert list(recorder.column.offsets) == list(range(1, EVENTS + 1)), lane
        assert recorder.outcome == "completed"
        assert not [at for at in received if 0.05 < (at - began["stall"]) / 1e9 < 0.24], lane
        held = {at for at in received if 0.05 < (at - began["buffer"]) / 1e9 < 0.4}
        assert len(held) <= 3, lane
    connections = [connection for recorder in recorders.values() for connection in recorder.connections]
    # Not one more than they say: no HTTP client made another one by itself.
    assert counts.accepted == len(connections)
    assert counts.refused >= 1
    assert counts.reset >= 1
    assert counts.cut >= 4 * 3
    for (what, from_ns), (_, to_ns) in pairwise(began.items()):
        # Of those that a fault ends, some had begun after it: made while new ones are cut, too.
        begun_from_ns = from_ns if what == "bytes" else 0
        ended = [one for one in connections if from_ns <= one.ended_ns < to_ns and one.begun_ns >= begun_from_ns]
        assert bool(ended) is (what not in {"stall", "buffer"}), what
    silent = [one for one in connections if one.cut_ns < one.ended_ns]
    assert len(silent) >= 4
    assert all(one.ended_ns - one.cut_ns >= POLICY.silence * 1e9 for one in silent)
    for recorder in recorders.values():
        for before, after in pairwise(recorder.connections):
            assert before.begun_ns <= before.cut_ns <= before.ended_ns <= after.begun_ns


async def start(url: str) -> tuple[str, str]:
    """Start the stream; return its epoch and its id."""
    params = {"count": EVENTS, "rate": 100, "size": 128, "delay": 0.3}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{url}/start", json={"producer": "ticker", "params": params}) as response,
    ):
        started = await response.json()
        return Cursor.parse(started["cursor"]).epoch, started["session_id"]


Connecting = Callable[[URL, Recorder], Awaitable[None]]


@dataclass
class FakeReader:
    """A wire whose connections go as they are told, one after the other."""

    connections: Sequence[Connecting]
    asked: list[URL] = dataclasses.field(default_factory=list)
    wire: Wire = FAKE
    way_up: str | None = None

    async def read(
        self, http: aiohttp.ClientSession, url: URL, recorder: Recorder, sender: Sender | None = None
    ) -> None:
        self.asked.append(url)
        await self.connections[len(self.asked) - 1](url, recorder)


def gives(*offsets: int, then: Exception | None = None, silent: bool = False) -> Connecting:
    async def reading(_: URL, recorder: Recorder) -> None:
        recorder.take(time.monotonic_ns(), Events(array("q", offsets), [b"1"] * len(offsets)))
        if silent:
            await asyncio.get_running_loop().create_future()
        if then is not None:
            raise then

    return reading


async def resumed(reader: WireReader, policy: Reconnecting) -> Recorder:
    recorder = Recorder(0, 3)
    recorder.epoch = "k3"
    async with asyncio.timeout(10):
        await read_resuming(reader, URL("http://127.0.0.1:9/fake/x"), recorder, policy)
    return recorder


QUICK: Final = Reconnecting(first_delay=0.0, max_delay=0.0, silence=5.0, seed=1)


async def test_it_asks_for_what_follows_its_last_event() -> None:
    lost = [Lost("cut"), ConnectionResetError(), aiohttp.ServerDisconnectedError(), TimeoutError()]
    fake = FakeReader(
        [gives(1, 2, then=lost[0]), gives(then=lost[1]), gives(3, then=lost[2]), gives(then=lost[3]), gives(4)]
    )
    recorder = await resumed(fake, QUICK)
    assert [url.query["after"] for url in fake.asked] == ["k3:0", "k3:2", "k3:2", "k3:3", "k3:3"]
    assert list(recorder.column.offsets) == [1, 2, 3, 4]
    assert len(recorder.connections) == 5


async def test_what_another_connection_would_not_mend_ends_it() -> None:
    fake = FakeReader([gives(1, then=ReadingFailed("410, its events are gone")), gives(2)])
    with pytest.raises(ReadingFailed, match="410"):
        await resumed(fake, QUICK)
    assert len(fake.asked) == 1


async def test_a_silent_connection_is_given_up() -> None:
    fake = FakeReader([gives(1, silent=True), gives(2)])
    recorder = await resumed(fake, dataclasses.replace(QUICK, silence=0.1))
    silent, last = recorder.connections
    assert silent.cut_ns == recorder.column.received[0]
    assert silent.ended_ns - silent.cut_ns >= 100_000_000
    assert last.cut_ns == last.ended_ns


async def test_delays_double_up_to_the_longest_and_begin_anew_with_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("streamlanes.benchmarks.engine.resuming.asyncio.sleep", sleep)
    monkeypatch.setattr("streamlanes.benchmarks.engine.resuming.random.Random.random", lambda _: 1.0)
    lost = Lost("cut")
    fake = FakeReader([*[gives(then=lost)] * 4, gives(1, then=lost), gives(then=lost), gives(2)])
    await resumed(fake, dataclasses.replace(QUICK, first_delay=0.5, max_delay=3.0))
    assert slept == [0.5, 1.0, 2.0, 3.0, 0.5, 1.0]


@dataclass(frozen=True)
class Response:
    """What `check` looks at."""

    status: int
    method: str = "GET"
    url: URL = REFUSED

    @property
    def content(self) -> Response:
        return self

    async def read(self, _: int) -> bytes:
        return b""


@pytest.mark.parametrize(("status", "lost"), [(503, True), (429, True), (502, True), (404, False), (410, False)])
async def test_which_refusals_may_pass(status: int, lost: bool) -> None:
    with pytest.raises(ReadingFailed) as raised:
        await check(Response(status), HTTPStatus.OK)  # type: ignore[arg-type]  # a stand-in
    assert isinstance(raised.value, Lost) is lost


def test_the_same_seed_has_the_same_faults() -> None:
    part = Recovery(jitter=0.2)
    assert part.schedule(seed=1, round_number=1) == part.schedule(seed=1, round_number=1)
    assert part.schedule(seed=1, round_number=1) != part.schedule(seed=1, round_number=2)
    assert part.schedule(seed=1, round_number=1) != part.schedule(seed=2, round_number=1)
    for planned, fault in zip(part.faults, part.schedule(seed=5, round_number=3), strict=True):
        assert planned.at <= fault.at <= planned.at + 0.2
        assert dataclasses.replace(fault, at=planned.at) == planned
    (one,), (other,) = (part.workloads(seed=1, round_number=2) for _ in range(2))
    assert one == other


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ([{"at": 1, "what": "stall"}], "a fault 'stall' takes seconds"),
        ([{"at": 1, "what": "cut", "seconds": 1}], "a fault 'cut' takes no seconds"),
        ([{"at": 1, "what": "bytes", "seconds": 1}], "takes size"),
        ([{"at": 1, "what": "explode"}], "'buffer', 'bytes' or 'refuse'"),
        ([{"at": 2, "what": "cut"}, {"at": 1, "what": "cut"}], "may begin before 'cut' is over"),
        ([{"at": 24, "what": "stall", "seconds": 2}], "the stream is over after 25 s"),
    ],
)
def test_faults_that_can_not_be(faults: list[dict[str, object]], said: str) -> None:
    with pytest.raises(ScenarioError, match="recovery") as raised:
        load(find("recovery"), {"recovery.faults": faults})
    assert said in str(raised.value)


def reading(received: Sequence[int], *connections: tuple[int, int, int]) -> Reading:
    recorder = Recorder(0)
    recorder.connections = [ConnectionTimes(*connection) for connection in connections]
    column = Column(array("q", range(1, len(received) + 1)), array("q", received))
    return Reading(recorder.result(), column)


def test_recovery_is_from_the_cut_to_the_next_event() -> None:
    once = reading([10, 20, 90], (0, 30, 30), (60, 100, 100))
    assert outages.recoveries(once) == [60]
    # Two attempts that brought nothing, and a connection that had been silent for a while: one outage.
    silent = reading([10, 20, 500], (0, 22, 200), (210, 220, 220), (300, 310, 310), (400, 600, 600))
    assert outages.recoveries(silent) == [478]
    assert outages.recoveries(reading([10, 20, 90, 95], (0, 30, 30), (60, 91, 91), (92, 99, 99))) == [60, 4]
    # It had everything by then, but for the end.
    assert outages.recoveries(reading([10, 20], (0, 30, 30), (60, 100, 100))) == []
    assert outages.recoveries(reading([10, 20], (0, 30, 30))) == []


def test_the_peak_is_of_any_second() -> None:
    second = 1_000_000_000
    assert outages.peak([]) == 0
    assert outages.peak([900_000_000, 0, second, second + 800_000_000, 5 * second]) == 3
    assert outages.resent([1, 2, 2, 3, 1]) == 2


def test_a_lane_that_forgets_an_event_on_resuming_is_refused(tmp_path: Path) -> None:
    metadata = tmp_path / "faulty-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[streamlanes.transports]\nforgetful = forgetful_lane:TRANSPORT\n")
    (tmp_path / "forgetful_lane.py").write_text(FORGETFUL)
    scenario = tmp_path / "faults.toml"
    scenario.write_text(SCENARIO)
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", "streamlanes", "compare", scenario, "--lanes", "poll,forgetful", "--out", out],
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 1, done.stderr
    by_lane = {result.lane: result for result in results.read(out)[1]}
    refused, good = by_lane["forgetful"].correctness, by_lane["poll"]
    assert 3 <= refused.lost <= 9  # one for each time that one of three readers came back
    assert (refused.repeated, refused.reordered, refused.failures) == (0, 0, ())
    assert "recovery_max_ms" not in by_lane["forgetful"].figures
    assert good.correctness.ok, good.correctness.faults()
    assert good.events == 600
    assert good.figures["resent"] == 0
    assert good.figures["recovery_max_ms"] >= 500  # silence is noticed after 600 ms
    assert 1 <= good.figures["reconnect_peak"] <= 18
    timeline = good.timeline
    assert timeline is not None
    assert [what for _, what in timeline.faults] == ["cut", "half-open", "drop"]
    assert sum(timeline.delivered) <= 600
    assert sum(timeline.reconnects) >= 6
    assert any(caveat.name.startswith("readers are behind a relay") for caveat in good.caveats)
    assert "Recovery: 3 readers of one stream, 3 faults in 2 s" in done.stdout
