"""External lanes: a real nginx with nchan beside a server that loses events, under the gate and join of every lane."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import pytest

from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment.errors import ExperimentError
from streamlanes.benchmarks.experiment.lineup import choose
from streamlanes.benchmarks.experiment.scenario import find, load
from streamlanes.benchmarks.experiment.summarise import summarise
from streamlanes.benchmarks.external import description as lanes
from streamlanes.benchmarks.external.description import ExternalError, ExternalLane
from streamlanes.benchmarks.external.server import External
from streamlanes.benchmarks.kinds.broadcast import Broadcast
from streamlanes.benchmarks.machine.processes import Placement
from streamlanes.benchmarks.report.rows import rows
from streamlanes.benchmarks.trial.contestants import FLOORS, Contestant, Lane
from streamlanes.benchmarks.trial.shards import processes
from streamlanes.benchmarks.trial.trial import Site, TrialPlan, run_trial
from streamlanes.producers.wire import LONG_POLL, SSE, WEBSOCKET

NCHAN_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
BROADCAST = Broadcast(readers=(3,), deliveries=300.0, seconds=0.5, warm_up=0)
EVENTS = 50  # 100 a second for 0.5 s


@pytest.fixture(scope="module")
def engine() -> Iterator[Executor]:
    with processes(1, None) as pool:
        yield pool


def trial(contestant: Contestant, folder: Path, engine: Executor) -> Result:
    (workload,) = BROADCAST.workloads(seed=1, round_number=1)
    plan = TrialPlan(contestant=contestant, workload=workload, round=1, seed=1)
    raw = folder / plan.name
    run_trial(plan, raw, Site(Placement(1, None, None), engine), lambda _: None)
    return summarise(raw)


@pytest.mark.parametrize("lane", ["nchan-sse", "nchan-ws"])
def test_nchan(lane: str, tmp_path: Path, engine: Executor) -> None:
    if shutil.which("nginx") is None or not NCHAN_MODULE.exists():
        pytest.skip("nginx with nchan isn't installed: apt-get install nginx libnginx-mod-nchan")
    result = trial(External(lanes.load(lanes.find("nchan"))[lane]), tmp_path, engine)
    assert result.correctness.faults() == ""
    assert (result.lane, result.readers, result.events) == (lane, 3, 3 * EVENTS)
    assert result.figures["server_us_per_event"] > 0
    assert {"latency", "lag", "queueing", "delivery"} <= result.histograms.keys()


def test_the_floor_is_what_a_lane_costs_a_multiple_of_each_wire_its_own(tmp_path: Path, engine: Executor) -> None:
    wires = (("sse", SSE), ("ws", WEBSOCKET), ("poll", LONG_POLL))
    contestants: list[Contestant] = [*FLOORS, *(Lane(name=name, lane=name, reader=wire) for name, wire in wires)]
    results = [trial(one, tmp_path, engine) for one in contestants]
    for result in results:
        assert result.correctness.faults() == ""
        assert (result.readers, result.events) == (3, 3 * EVENTS)
        assert {"latency", "lag", "queueing", "delivery"} <= result.histograms.keys()
    measured = {row.lane: row.figures for row in rows(results, "broadcast")}
    for lane, floor in (("sse", "floor"), ("ws", "floor-ws"), ("poll", "floor-poll")):
        below = measured[floor]["server_us_per_event"]
        assert measured[floor]["floor_multiple"] == 1
        assert measured[lane]["floor_multiple"] == measured[lane]["server_us_per_event"] / below
    without = {row.lane: row.figures for row in rows([results[0], *results[3:]], "broadcast")}
    below = measured["floor"]["server_us_per_event"]
    assert without["ws"]["floor_multiple"] == measured["ws"]["server_us_per_event"] / below
    assert all("floor_multiple" not in row.figures for row in rows(results[3:], "broadcast"))


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
    assert trial(foreign(tmp_path), tmp_path, engine).correctness.faults() == ""


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
    assert result.correctness.faults() == faults
    assert not result.histograms


def test_a_server_that_takes_no_events(tmp_path: Path, engine: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlanes.benchmarks.trial.trial.PATIENCE", 0.5)  # its readers wait in vain
    lane = dataclasses.replace(foreign(tmp_path).external, publish="http://127.0.0.1:{port}/nowhere")
    result = trial(External(lane), tmp_path, engine)
    assert "the publisher ended with code 1 in the trial: PUT /nowhere: 404" in result.correctness.faults()


def test_a_server_that_does_not_start(tmp_path: Path, engine: Executor) -> None:
    lane = dataclasses.replace(foreign(tmp_path).external, command=(sys.executable, "-c", "raise SystemExit('no')"))
    assert "the server didn't start: no" in trial(External(lane), tmp_path, engine).correctness.faults()


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


def chosen(*lanes: str, scenario: str = "telemetry", external: str | None = "nchan") -> list[str]:
    lineup = choose(load(find(scenario)), lanes, None, external, with_clients=False)
    return [one.name for one in lineup.contestants]


def test_which_contestants_a_file_adds() -> None:
    assert chosen("sse", "floor") == ["sse", "floor", "nchan-sse", "nchan-ws", "sse~again"]
    assert chosen("nchan-ws", "sse", "floor") == ["nchan-ws", "sse", "floor", "sse~again"]
    assert chosen("sse", external=None) == ["sse", "sse~again"]


def test_names_that_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[external.floor]\nwire = 'sse'\nsubscribe = 'http://x'\npublish = 'http://x'")
    for name, fault in ((str(file), "floor is a lane of this project's own"), ("nowhere", "there is no 'nowhere'")):
        with pytest.raises(ExperimentError, match=fault):
            chosen("sse", external=name)


@pytest.mark.parametrize(("scenario", "lane"), [("tokens", "nchan-sse"), ("rtt", "floor")])
def test_trials_in_which_they_can_not_take_part(scenario: str, lane: str) -> None:
    with pytest.raises(ExperimentError, match=f"lane {lane} can't take part in"):
        chosen("sse", lane, scenario=scenario)
