"""`streamlanes compare` as a user runs it: real servers, a real engine, small settings."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from benchmarks import results
from benchmarks.engine import wires as engine_wires
from benchmarks.gate import Verdict
from benchmarks.scenario import PRODUCT_LANES
from producers.wire import NDJSON, SSE, Wire

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

from producers.events import parse_after
from producers.wire import NDJSON, Wire
from transports import StreamService
from transports.follow import StreamingLane
from transports.framing import NDJSONFraming


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


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(SCENARIO)
    return path


def compare(*arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "streamlanes", "compare", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, env=env, check=False)


def test_all_lanes(tmp_path: Path, scenario: Path) -> None:
    out = tmp_path / "out"
    text = tmp_path / "text"
    text.write_text(" word" * 40)
    done = compare(scenario, "--out", out, "--text", text, "--seed", "7")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    for lane in PRODUCT_LANES:
        cells = [line.split() for line in done.stdout.splitlines() if line.startswith(f" {lane} ")]
        assert [row[1:3] for row in cells if "0/0/0" in row] == [["1", "0/0/0"]] * 2
        assert len(cells) == 3  # load, parts, saturated
    assert "200 events a trial" in done.stdout
    first = json.loads((out / results.FILE).read_bytes().splitlines()[0])
    assert (first["schema"], first["version"]) == ("streamlanes.results", 1)
    header, finished = results.read(out)
    assert header.scenario.seed == 7
    assert header.scenario.load is not None
    assert header.scenario.load.text is None  # it may be long
    assert header.text_sha256 == hashlib.sha256(text.read_bytes()).hexdigest()
    assert header.command.endswith("--seed 7")
    assert {(result.kind, result.lane) for result in finished} == {
        (kind, lane) for kind in ("load", "saturated") for lane in PRODUCT_LANES
    }
    assert all(result.verdict == Verdict() for result in finished)
    assert all(result.load is not None for result in finished if result.kind == "load")
    for result in finished:
        raw = out / "raw" / result.trial
        assert {path.name for path in raw.iterdir()} >= {"spec.json", "trial.json", "engine.json", "events.bin.gz"}
        assert list((raw / "journal").glob("*.journal"))
    assert "## Again" in (out / "summary.md").read_text(encoding="utf-8")
    again = compare(scenario, "--out", out)
    assert again.returncode == 2
    assert "holds something already" in again.stderr


def test_a_trace(tmp_path: Path, scenario: Path) -> None:
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
    load = [result for result in results.read(out)[1] if result.kind == "load"]
    assert [(result.readers, result.events) for result in load] == [(2, 153)] * 2
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
    assert by_lane["load", "lossy"].verdict == Verdict(lost=5)
    assert by_lane["load", "lossy"].load is None
    assert by_lane["saturated", "lossy"].verdict == Verdict(lost=by_lane["saturated", "lossy"].readers)
    assert by_lane["load", "cutting"].verdict.failures
    assert by_lane["load", "ndjson"].verdict == Verdict()


def test_round_trips(tmp_path: Path) -> None:
    scenario = tmp_path / "trips.toml"
    scenario.write_text("[rtt]\nrounds = 2\nclients = 3\nmessages = 20\nrate = 200\narrivals = 'poisson'\nsize = 64\n")
    out = tmp_path / "out"
    done = compare(scenario, "--rounds", "1", "--rate", "100", "--out", out)
    assert done.returncode == 0, done.stderr
    header, finished = results.read(out)
    assert header.scenario.rtt is not None
    assert (header.scenario.rtt.rounds, header.scenario.rtt.rate) == (1, 100)
    assert header.ways_up == {"sse": "POST", "ws": "frame", "poll": "POST", "ndjson": "POST"}
    assert {(result.kind, result.lane) for result in finished} == {("rtt", lane) for lane in PRODUCT_LANES}
    for result in finished:
        assert (result.readers, result.events, result.verdict) == (3, 60, Verdict())
        assert result.rtt is not None
        assert result.load is None
        assert (out / "raw" / result.trial / "sends.bin.gz").is_file()
    for lane in PRODUCT_LANES:
        trips, parts = (line.split() for line in done.stdout.splitlines() if line.startswith(f" {lane} "))
        assert trips[1:4] == [header.ways_up[lane], "1", "0/0/0"]
        assert float(trips[4]) > 0
        assert len(parts) == 9
    assert "20 messages of 64 bytes a client and trial, 100/s from each, poisson spacing." in done.stdout
    assert "## Round trips: 3 clients" in (out / "summary.md").read_text(encoding="utf-8")


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
    assert (result.verdict, result.rtt) == (Verdict(lost=2), None)


def test_a_lane_without_a_way_up_is_told() -> None:
    from benchmarks import caveats
    from streamlanes import lanes

    wires = {"sse": SSE, "strange": Wire("pigeon"), "mute": NDJSON}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(engine_wires.discover()[NDJSON]), "way_up", None)
        left_out = lanes.unmeasurable(wires, sending=True)
        assert lanes.chosen("all", wires, left_out) == ("sse",)
        assert lanes.chosen("all", wires, lanes.unmeasurable(wires, sending=False)) == ("mute", "sse")
        with pytest.raises(click.BadParameter, match=r"lane mute writes the wire 'ndjson', for which .* no way up"):
            lanes.check(["mute"], wires, left_out, {})
        (caveat,) = caveats.left_out(left_out)
        assert "mute (wire 'ndjson', for which the load engine has no way up)" in caveat.detail
