"""`streamlanes compare` as a user runs it: real servers, a real engine, small settings."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from distributed import LocalCluster

from streamlanes.benchmarks.analysis import recorded
from streamlanes.benchmarks.analysis.gate import Correctness
from streamlanes.benchmarks.analysis.histogram import Histogram
from streamlanes.benchmarks.engine import wires as engine_wires
from streamlanes.benchmarks.experiment import results
from streamlanes.benchmarks.experiment.errors import ExperimentError
from streamlanes.benchmarks.experiment.scenario import PRODUCT_LANES, find, load
from streamlanes.benchmarks.spec.role import Role
from streamlanes.producers.wire import NDJSON, SSE, Wire

pytestmark = pytest.mark.timeout(120)

SCENARIO = """
[load]
rounds = 1
clients = 5
spread = 0.05
count = 40
rate = 500.0
ttft = 0.02

[saturated]
events = 1_000
size = 64
seconds = 0.05
"""

FAULTY = """
from contextlib import aclosing
from dataclasses import dataclass

from fastapi import APIRouter, Response
from starlette.responses import StreamingResponse

from streamlanes.producers.events import parse_after
from streamlanes.producers.wire import NDJSON, Wire
from streamlanes.transports import StreamService
from streamlanes.transports.follow import StreamingLane
from streamlanes.transports.framing import NDJSONFraming


class Dropping(NDJSONFraming):
    def events(self, epoch, events):
        return super().events(epoch, [event for event in events if event.offset != 3])


async def cut(frames, count):
    async with aclosing(frames):
        for _ in range(count):
            yield await anext(frames)


@dataclass(frozen=True)
class Faulty:
    name: str = "NAME"
    wire: Wire = NDJSON

    def router(self, service: StreamService) -> APIRouter:
        router = APIRouter()
        lossy = self.name == "lossy"
        lane = StreamingLane(service, self.name, Dropping() if lossy else NDJSONFraming())

        @router.get("/NAME/{stream}", name=self.name)
        async def stream_events(stream: str, after: str = "start") -> Response:
            frames = lane.follow(stream, await lane.open(stream, parse_after(after))).frames()
            return StreamingResponse(frames if lossy else cut(frames, 2))

        return router


TRANSPORT = Faulty()
"""
"""Lane `lossy` drops the third event of every stream; lane `cutting` closes after the first ones."""


LOAD_HISTOGRAMS = ("latency", "lag", "queueing", "delivery", "connect", "first_event", "interarrival", "tpot")


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(SCENARIO)
    return path


def rows_of(text: str, lane: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.startswith(f" {lane} ")]


def compare(*arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "streamlanes", "compare", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, env=env, check=False)


def test_all_lanes(tmp_path: Path, scenario: Path) -> None:
    out = tmp_path / "out"
    text = tmp_path / "text"
    text.write_text(" word" * 40)
    done = compare(scenario, "--out", out, "--text", text, "--seed", "7")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    for lane in PRODUCT_LANES:
        cells = rows_of(done.stdout, lane)
        assert [row[1:3] for row in cells if "0/0/0" in row] == [["1", "0/0/0"]] * 2
        assert len(cells) == 4  # load, its parts, between events, saturated
    first = json.loads((out / results.FILE).read_bytes().splitlines()[0])
    assert (first["schema"], first["version"]) == ("streamlanes.results", 3)
    header, finished = results.read(out)
    assert header.scenario.seed == 7
    assert header.trials == len(finished) == 8
    assert header.scenario.parts["load"]["text"] is None  # it may be long
    assert header.text_sha256 == hashlib.sha256(text.read_bytes()).hexdigest()
    assert header.command.endswith("--seed 7")
    assert {(result.kind, result.lane) for result in finished} == {
        (kind, lane) for kind in ("load", "saturated") for lane in PRODUCT_LANES
    }
    assert all(result.correctness == Correctness() for result in finished)
    assert {result.events for result in finished if result.kind == "load"} == {200}
    for result in finished:
        assert result.figures["server_us_per_event"] > 0
        if result.kind == "load":
            assert result.overloaded or {*LOAD_HISTOGRAMS} == {*result.histograms}
        else:
            assert result.figures["rate"] > 0
        raw = out / "raw" / result.trial
        assert {path.name for path in raw.iterdir()} >= {"spec.json", "trial.json", "engine-0.json", "events-0.bin.gz"}
        assert list((raw / "journal").glob("*.journal"))
    assert "## Again" in (out / "summary.md").read_text(encoding="utf-8")


def test_a_trace(tmp_path: Path) -> None:
    scenario = tmp_path / "load.toml"
    scenario.write_text(SCENARIO.partition("[saturated]")[0])
    trace = tmp_path / "trace.csv"
    trace.write_bytes(
        b"TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44\r\n"
        b"2023-11-16 18:15:47.9951690,396,109\r\n2023-11-16 18:15:48.2224670,879,0\r\n2024-01-01 00:00:00,1,1\r\n"
    )
    out = tmp_path / "out"
    done = compare(
        scenario, "--out", out, "--lanes", "sse,poll", "--trace", trace, "--speed", "10", "--limit", "3",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    finished = results.read(out)[1]
    assert [(result.readers, result.events) for result in finished] == [(2, 153)] * 2
    assert "requests without a token in the trace: 1 skipped" in done.stdout


def test_faulty_lanes_are_refused(tmp_path: Path, scenario: Path) -> None:
    metadata = tmp_path / "faulty-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    entries = ["[streamlanes.transports]"]
    for name in ("lossy", "cutting"):
        (tmp_path / f"{name}_lane.py").write_text(FAULTY.replace("NAME", name))
        entries.append(f"{name} = {name}_lane:TRANSPORT")
    (metadata / "entry_points.txt").write_text("\n".join(entries))
    out = tmp_path / "out"
    done = compare(
        scenario, "--out", out, "--lanes", "ndjson,lossy,cutting", env={**os.environ, "PYTHONPATH": str(tmp_path)}
    )
    assert done.returncode == 1, done.stderr
    assert "lossy, load, round 1: 5 lost" in done.stdout
    assert "the server closed the connection before the end" in " ".join(done.stdout.split())
    by_lane = {(result.kind, result.lane): result for result in results.read(out)[1]}
    assert by_lane["load", "lossy"].correctness == Correctness(lost=5)
    assert not by_lane["load", "lossy"].figures
    assert by_lane["saturated", "lossy"].correctness == Correctness(lost=by_lane["saturated", "lossy"].readers)
    assert by_lane["load", "cutting"].correctness.failures
    assert by_lane["load", "ndjson"].correctness == Correctness()


def test_round_trips(tmp_path: Path) -> None:
    scenario = tmp_path / "trips.toml"
    scenario.write_text("[rtt]\nrounds = 2\nclients = 3\nmessages = 20\nrate = 200\narrivals = 'poisson'\nsize = 64\n")
    out = tmp_path / "out"
    done = compare(scenario, "--rounds", "1", "--set", "rtt.rate=100", "--lanes", "ws,poll", "--out", out)
    assert done.returncode == 0, done.stderr
    header, finished = results.read(out)
    assert (header.scenario.parts["rtt"]["rounds"], header.scenario.parts["rtt"]["rate"]) == (1, 100)
    assert {(result.kind, result.lane) for result in finished} == {("rtt", "ws"), ("rtt", "poll")}
    for result in finished:
        assert (result.readers, result.events, result.correctness) == (3, 60, Correctness())
        assert result.overloaded or {*result.histograms} == {"rtt", "send_lag", "held", "up", "down"}
        assert (out / "raw" / result.trial / "sends-0.bin.gz").is_file()
    for lane in ("ws", "poll"):
        trips, *_ = rows_of(done.stdout, lane)
        assert trips[1:3] == ["1", "0/0/0"]
    assert "20 messages of 64 bytes a client and trial, 100/s from each, poisson spacing." in done.stdout
    assert "## Round trips: 3 clients" in (out / "summary.md").read_text(encoding="utf-8")


def test_an_audience_of_every_size_gets_everything_once(tmp_path: Path) -> None:
    scenario = tmp_path / "audience.toml"
    scenario.write_text(
        "lanes = ['ws']\n[broadcast]\nrounds = 1\nreaders = [2, 5]\ndeliveries = 400\nseconds = 0.5\nwarm_up = 0.25\n"
    )
    out = tmp_path / "out"
    done = compare(scenario, "--out", out, "--shards", "2")
    assert done.returncode == 0, done.stderr
    trials = [result for result in results.read(out)[1] if result.role is not Role.ALONE]
    finished = sorted(trials, key=lambda result: result.readers)
    assert [result.point for result in finished] == [{"readers": 2, "rate": 200}, {"readers": 5, "rate": 80}]
    for result, events, warm_up in zip(finished, (150, 60), (51, 21), strict=True):  # of the stream
        assert (result.events, result.correctness) == (result.readers * events, Correctness())
        if not result.overloaded:
            assert result.samples["latency"] == events - warm_up
            assert len(Histogram.decode(result.histograms["latency"])) == result.readers * (events - warm_up)
            assert result.heat is not None
            assert sum(map(sum, result.heat.counts)) == result.readers * (events - warm_up)
    cells = [row[:5] for row in rows_of(done.stdout, "ws") if "0/0/0" in row]
    assert cells == [["ws", "2", "200", "1", "0/0/0"], ["ws", "5", "80", "1", "0/0/0"]]


def test_the_first_lane_twice(tmp_path: Path) -> None:
    scenario = tmp_path / "tiny.toml"
    scenario.write_text("lanes = ['ws']\n[load]\nclients = 2\nspread = 0\ncount = 5\nrate = 500\nttft = 0.01\n")
    out = tmp_path / "out"
    done = compare(scenario, "--out", out, "--rounds", "2")
    assert done.returncode == 0, done.stderr
    finished = results.read(out)[1]
    assert sorted((result.lane, result.round) for result in finished) == [
        ("ws", 1), ("ws", 2), ("ws~again", 1), ("ws~again", 2),
    ]  # fmt: skip
    assert rows_of(done.stdout, "ws~again")[0][1:3] == ["2", "0/0/0"]
    assert "2 rounds of load trials; 10 are needed" in done.stdout


@pytest.mark.filterwarnings(
    # Those of the cluster's own packages, as it starts and ends: none is of this code.
    "ignore::ResourceWarning",
    "ignore::DeprecationWarning:(distributed|dask|tornado|click).*",
)
def test_shards_on_a_cluster(tmp_path: Path, scenario: Path) -> None:
    out = tmp_path / "out"
    local = partial(LocalCluster, n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    with local() as cluster:
        done = compare(
            *(scenario, "--out", out, "--lanes", "poll", "--shards", "2", "--cluster", cluster.scheduler_address)
        )
    assert done.returncode == 0, done.stderr
    for result in results.read(out)[1]:
        assert result.correctness == Correctness()
        shards = recorded.read(out / "raw" / result.trial).engines
        assert len(shards) == (2 if result.kind == "load" else 1)
        if result.kind == "load":
            assert (result.readers, result.events) == (5, 200)
            assert all(shard.readers for shard in shards)


def test_lossy_echoes_are_refused(tmp_path: Path) -> None:
    metadata = tmp_path / "faulty-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[streamlanes.transports]\nlossy = lossy_lane:TRANSPORT\n")
    (tmp_path / "lossy_lane.py").write_text(FAULTY.replace("NAME", "lossy"))
    scenario = tmp_path / "trips.toml"
    scenario.write_text("[rtt]\nrounds = 1\nclients = 2\nmessages = 5\nrate = 100\n")
    out = tmp_path / "out"
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = compare(scenario, "--out", out, "--lanes", "lossy", env=env)
    assert done.returncode == 1, done.stderr
    assert "lossy, rtt, round 1: 2 lost" in done.stdout
    (result,) = results.read(out)[1]
    assert (result.correctness, result.figures) == (Correctness(lost=2), {})


def test_a_lane_without_a_way_up_is_told() -> None:
    from streamlanes.benchmarks.analysis import caveats
    from streamlanes.benchmarks.experiment.lineup import choose, unmeasurable

    wires = {"sse": SSE, "strange": Wire("pigeon"), "mute": NDJSON}

    def lanes(scenario: str, *names: str) -> tuple[str, ...]:
        return choose(load(find(scenario)), names or "all", wires, None, with_clients=False).lanes

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(engine_wires.discover()[NDJSON]), "way_up", None)
        assert lanes("rtt") == ("sse",)
        assert lanes("tokens") == ("mute", "sse")
        with pytest.raises(ExperimentError, match=r"lane mute writes the wire 'ndjson', for which .* no way up"):
            lanes("rtt", "mute")
        (caveat,) = caveats.left_out(unmeasurable(wires, sending=True))
        assert "mute (wire 'ndjson', for which the load engine has no way up)" in caveat.detail
