"""External lanes: a real nginx with nchan beside a server that loses events, under the gate and join of every lane."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import pytest

from benchmarks.external import lanes
from benchmarks.external.contestant import External
from benchmarks.external.lanes import ExternalError, ExternalLane
from benchmarks.kinds.broadcast import Broadcast
from benchmarks.processes import Placement
from benchmarks.results import Result
from benchmarks.shards import processes
from benchmarks.subjects import Contestant, Floor, Lane
from benchmarks.summarise import summarise
from benchmarks.trial import Site, TrialPlan, run_trial
from producers.wire import SSE

NCHAN_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
BROADCAST = Broadcast(readers=(3,), deliveries=300.0, seconds=1.0)
EVENTS = 150  # 100 a second for 1 s and the warm-up


@pytest.fixture(scope="module")
def engine() -> Iterator[Executor]:
    with processes(1, None) as pool:
        yield pool


def trial(subject: Contestant, folder: Path, engine: Executor) -> Result:
    (workload,) = BROADCAST.workloads(seed=1, round_number=1, trace=None)
    plan = TrialPlan(subject=subject, workload=workload, round=1, seed=1)
    raw = folder / plan.name
    run_trial(plan, raw, Site(Placement(1, None, None), engine), lambda _: None)
    return summarise(raw)


@pytest.mark.parametrize("lane", ["nchan-sse", "nchan-ws"])
def test_nchan(lane: str, tmp_path: Path, engine: Executor) -> None:
    if shutil.which("nginx") is None or not NCHAN_MODULE.exists():
        pytest.skip("nginx with nchan isn't installed: apt-get install nginx libnginx-mod-nchan")
    result = trial(External(lanes.load(lanes.find("nchan"))[lane]), tmp_path, engine)
    assert result.verdict.faults() == ""
    assert (result.lane, result.readers, result.events) == (lane, 3, 3 * EVENTS)
    assert result.figures["server_us_per_event"] > 0
    assert {"latency", "lag", "queueing", "delivery"} <= result.histograms.keys()


@pytest.mark.parametrize("subject", [Floor(), Lane(name="sse", lane="sse", reader=SSE)])
def test_floor_stands_beside_a_lane(subject: Contestant, tmp_path: Path, engine: Executor) -> None:
    result = trial(subject, tmp_path, engine)
    assert result.verdict.faults() == ""
    assert (result.readers, result.events) == (3, 3 * EVENTS)
    assert {"latency", "lag", "queueing", "delivery"} <= result.histograms.keys()


def foreign(folder: Path, option: str = "") -> External:
    """Return the lane of a server whose way with events is *option*."""
    server = "http://127.0.0.1:{port}"
    command = (sys.executable, "-P", "-m", "tests.benchmarks.foreign_server", "{port}", option)
    return External(
        ExternalLane(
            name="foreign",
            wire="sse",
            subscribe=f"{server}/sub/{{channel}}",
            publish=f"{server}/pub?topic={{channel}}",
            method="PUT",
            body='{"to":"{channel}","wrapped":{data}}',
            command=command,
            ready=f"{server}/ready",
            folder=folder,
        )
    )


def test_messages_of_another_form(tmp_path: Path, engine: Executor) -> None:
    assert trial(foreign(tmp_path), tmp_path, engine).verdict.faults() == ""


@pytest.mark.parametrize(
    ("option", "faults"),
    [
        ("lose", "3 lost"),
        ("repeat", "3 repeated"),
        ("swap", "3 reordered"),
        ("change", "3 readers with other data than the producer's"),
    ],
)
def test_a_server_that_does_not_keep_the_stream_whole_is_refused(
    option: str, faults: str, tmp_path: Path, engine: Executor
) -> None:
    result = trial(foreign(tmp_path, option), tmp_path, engine)
    assert result.verdict.faults() == faults
    assert not result.histograms


def test_a_server_that_takes_no_events(tmp_path: Path, engine: Executor) -> None:
    lane = dataclasses.replace(foreign(tmp_path).external, publish="http://127.0.0.1:{port}/nowhere")
    result = trial(External(lane), tmp_path, engine)
    assert "the publisher ended with code 1 in the trial: PUT /nowhere: 404" in result.verdict.faults()


def test_a_server_that_does_not_start(tmp_path: Path, engine: Executor) -> None:
    lane = dataclasses.replace(foreign(tmp_path).external, command=(sys.executable, "-c", "raise SystemExit('no')"))
    assert "the server didn't start: no" in trial(External(lane), tmp_path, engine).verdict.faults()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[external", "not a TOML file"),
        ("external = 1", "not a TOML file with tables"),
        ("[external.x]\nwire = 'sse'\nsubscribe = 'http://x'", "external.x.publish: field required"),
        ("[external.x]\nwire = 'carrier pigeon'\nsubscribe = 'http://x'\npublish = 'http://x'", "'sse' or 'websocket'"),
        ("[external.x]\nwire = 'sse'\nsubscribe = 'x'\npublish = 'http://x'", "external.x.subscribe"),
        ("[external.x]\nwire = 'sse'\nsubscribe = 'http://x'\npublish = 'http://x'\nhello = 1", "external.x.hello"),
        ("[external.'A b']\nwire = 'sse'\nsubscribe = 'http://x'\npublish = 'http://x'", "external.A b"),
    ],
)
def test_files_that_can_not_be_used(text: str, fault: str, tmp_path: Path) -> None:
    file = tmp_path / "lanes.toml"
    file.write_text(text)
    with pytest.raises(ExternalError) as error:
        lanes.load(file)
    assert fault in str(error.value)
    assert "lanes.toml" in str(error.value)
