"""Python clients as rows: real servers, read through the libraries, under the gate and join of every lane."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path

import pytest

from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.engine import clients
from streamlanes.benchmarks.experiment.errors import ExperimentError
from streamlanes.benchmarks.experiment.lineup import _libraries, choose, contestants_of
from streamlanes.benchmarks.experiment.scenario import find, load
from streamlanes.benchmarks.experiment.summarise import summarise
from streamlanes.benchmarks.kinds.broadcast import Broadcast
from streamlanes.benchmarks.kinds.load import Load
from streamlanes.benchmarks.machine.processes import Placement
from streamlanes.benchmarks.report import tables
from streamlanes.benchmarks.report.comparison import COMPARED, compare
from streamlanes.benchmarks.report.rows import rows
from streamlanes.benchmarks.spec.metrics import ENGINE, METRICS
from streamlanes.benchmarks.spec.records import read_trial, write_trial
from streamlanes.benchmarks.spec.workload import Workload
from streamlanes.benchmarks.trial.contestants import Contestant, Lane
from streamlanes.benchmarks.trial.shards import processes
from streamlanes.benchmarks.trial.trial import Site, TrialPlan, run_trial
from streamlanes.producers.wire import SSE
from streamlanes.transports import discover
from tests.benchmarks.raw import write_raw

ROWS = _libraries(contestants_of({name: transport.wire for name, transport in discover().items()}))
BROADCAST = Broadcast(readers=(3,), deliveries=300.0, seconds=0.5, warm_up=0)
EVENTS = 50  # 100 a second for 0.5 s


@pytest.fixture(scope="module")
def engine() -> Iterator[Executor]:
    with processes(1, None) as pool:
        yield pool


def trial(contestant: Contestant, workload: Workload, folder: Path, engine: Executor) -> Result:
    plan = TrialPlan(contestant=contestant, workload=workload, round=1, seed=1)
    raw = folder / plan.name
    run_trial(plan, raw, Site(Placement(1, None, None), engine), lambda _: None)
    return summarise(raw)


def broadcast() -> Workload:
    (workload,) = BROADCAST.workloads(seed=1, round_number=1)
    return workload


def test_there_is_a_row_for_each_client_of_a_lane() -> None:
    assert {*ROWS} == {"sse+httpx-sse", "sse+httpx2", "ws+websockets", "poll+httpx", "ndjson+httpx"}
    assert {row.reader for row in ROWS.values()} == {*clients.discover()}


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_client_stands_beside_the_engines_own_reader(name: str, tmp_path: Path, engine: Executor) -> None:
    result = trial(ROWS[name], broadcast(), tmp_path, engine)
    assert result.correctness.faults() == ""  # the checksum is of the text that the client gave
    assert (result.lane, result.readers, result.events) == (name, 3, 3 * EVENTS)
    assert result.figures["latency_p50_ms"] > 0
    assert result.figures[ENGINE] > 0
    raw = tmp_path / result.trial
    recorded = read_trial(raw)
    wrong = [dataclasses.replace(one, checksum=one.checksum ^ 1) for one in recorded.expected]
    write_trial(raw, dataclasses.replace(recorded, expected=tuple(wrong)))
    assert summarise(raw).correctness.corrupt == 3  # other data than the producer's is seen


@pytest.mark.parametrize("name", ["sse+httpx2", "ws+websockets"])
def test_sessions_have_no_times_of_connections_that_nobody_knows(name: str, tmp_path: Path, engine: Executor) -> None:
    load = Load(clients=3, spread=0.05, count=30, rate=300.0, ttft=0.02)
    (workload,) = load.workloads(seed=1, round_number=1)
    result = trial(ROWS[name], workload, tmp_path, engine)
    assert result.correctness.faults() == ""
    assert (result.readers, result.events) == (3, 90)
    assert "latency" in result.histograms
    assert not {"connect", "first_event"} & result.histograms.keys()


@pytest.mark.parametrize("name", sorted(ROWS))
def test_what_a_client_can_not_read_refuses_the_trial(name: str, tmp_path: Path, engine: Executor) -> None:
    other = {"sse": "ndjson"}.get(ROWS[name].lane, "sse")
    contestant = Lane(name=name, lane=other, reader=ROWS[name].reader)
    result = trial(contestant, broadcast(), tmp_path, engine)
    assert result.correctness.failures
    assert not result.figures


def test_a_clients_cost_is_compared_and_the_harnesss_is_not(tmp_path: Path) -> None:
    names = ("sse", "ws", "sse+httpx2")
    results = [
        summarise(write_raw(tmp_path / f"{n}-{lane}", (30,), kind="broadcast", lane=lane, round_number=n))
        for n in (1, 2)
        for lane in names
    ]
    entries = compare(results, names, metrics=(*COMPARED, ENGINE)).entries
    assert [entry.lane for entry in entries if entry.metric == ENGINE] == ["sse+httpx2"]
    (table, *_) = tables._table(
        "", [METRICS[name] for name in tables._with_clients(("in_time",), rows(results, "broadcast"))],
        rows(results, "broadcast"), (), first=True,
    )  # fmt: skip
    assert table.head[-1] == "engine\nµs/event"
    assert tables._with_clients(("in_time",), rows(results, "broadcast", ["sse"])) == ("in_time",)


def chosen(*lanes: str, scenario: str = "tokens", with_clients: bool = False) -> tuple[str, ...]:
    return choose(load(find(scenario)), lanes, None, None, with_clients=with_clients).lanes


def test_lanes_are_followed_by_their_clients() -> None:
    assert chosen("ws", "sse", "floor", with_clients=True) == (
        "ws", "ws+websockets", "sse", *(name for name in ROWS if name.startswith("sse+")), "floor",
    )  # fmt: skip
    assert chosen("sse+httpx2", "ws", with_clients=True) == ("sse+httpx2", "ws", "ws+websockets")
    assert chosen("sse+httpx2", "ws") == ("sse+httpx2", "ws")


def test_a_client_takes_no_part_where_clients_send() -> None:
    assert chosen("ws", scenario="rtt") == ("ws",)
    with pytest.raises(ExperimentError, match=r"lane ws\+websockets can't take part in \[rtt\]") as raised:
        chosen("ws", "ws+websockets", scenario="rtt")
    assert raised.value.parameter == "lanes"


def test_a_lane_whose_wire_has_other_clients() -> None:
    rows = _libraries(contestants_of({"sse-usual": SSE}))
    assert {*rows} == {"sse-usual+httpx-sse", "sse-usual+httpx2"}
    assert all(row.baselines for row in rows.values())
