"""The engine's shards: the same trial on one process or several, and what becomes of one that fails."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

import pytest

from streamlanes.benchmarks.analysis import recorded
from streamlanes.benchmarks.analysis.gate import Correctness
from streamlanes.benchmarks.analysis.recorded import Recorded
from streamlanes.benchmarks.experiment.summarise import summarise
from streamlanes.benchmarks.kinds.broadcast import Broadcast
from streamlanes.benchmarks.kinds.load import Load
from streamlanes.benchmarks.kinds.rtt import Rtt
from streamlanes.benchmarks.kinds.saturated import Saturated
from streamlanes.benchmarks.machine.processes import Placement
from streamlanes.benchmarks.spec.records import dump_spec, read_trial
from streamlanes.benchmarks.spec.tasks import Rereading
from streamlanes.benchmarks.spec.workload import Workload
from streamlanes.benchmarks.trial import shards
from streamlanes.benchmarks.trial.contestants import Lane
from streamlanes.benchmarks.trial.shards import ShardError, drive, processes
from streamlanes.benchmarks.trial.trial import Site, TrialPlan, run_trial
from streamlanes.producers.wire import SSE
from tests.benchmarks.engine.test_load import spec
from tests.benchmarks.faulty import dying, hanging, refusing

ANYWHERE = Placement(2, None, None)
SUBJECT = Lane(name="sse", lane="sse", reader=SSE)
SECOND_NS = 1_000_000_000

(LOAD,) = Load(clients=5, spread=0.1, count=10, rate=200, ttft=0.02).workloads(seed=1, round_number=1)
(TRIPS,) = Rtt(clients=3, messages=5, rate=100).workloads(seed=1, round_number=1)
(AUDIENCE,) = Broadcast(readers=(5,), deliveries=200, seconds=0.5, warm_up=0.25).workloads(seed=1, round_number=1)
(FULL,) = Saturated(events=500, seconds=0.05).workloads(seed=1, round_number=1)


@pytest.fixture(scope="module")
def two() -> Iterator[Executor]:
    with processes(2, None) as executor:
        yield executor


def ignore(seconds: float) -> None:
    """Take no interest in the progress."""


def run(workload: Workload, folder: Path, executor: Executor, count: int) -> Recorded:
    plan = TrialPlan(contestant=SUBJECT, workload=workload, round=1, seed=1)
    run_trial(plan, folder, Site(ANYWHERE, executor, count), ignore)
    assert read_trial(folder).error is None
    return recorded.read(folder)


@pytest.mark.parametrize("workload", [LOAD, TRIPS, AUDIENCE], ids=lambda workload: workload.kind)
def test_two_shards_see_what_one_sees(tmp_path: Path, two: Executor, workload: Workload) -> None:
    one, both = (run(workload, tmp_path / str(count), two, count) for count in (1, 2))
    assert (len(one.engines), len(both.engines)) == (1, 2)
    assert all(engine.readers for engine in both.engines)
    seen = [
        [(reader.index, reader.events, reader.checksum, reader.sent, reader.outcome) for reader, _ in trial.readings]
        for trial in (one, both)
    ]
    assert seen[0] == seen[1]
    assert [index for index, *_ in seen[0]] == list(range(len(seen[0])))
    for count in (1, 2):
        result = summarise(tmp_path / str(count))
        assert (result.correctness, result.readers) == (Correctness(), len(seen[0]))
        assert result.figures["engine_us_per_event"] > 0
    assert abs(both.engines[0].samples[0].at_ns - both.engines[1].samples[0].at_ns) < SECOND_NS // 2  # as good as one


def test_a_full_log_is_read_over_one_connection_at_a_time(tmp_path: Path, two: Executor) -> None:
    read = run(FULL, tmp_path / "trial", two, 2)
    assert len(read.engines) == 1
    assert [reader.index for reader, _ in read.readings] == list(range(len(read.readings)))


def test_there_may_be_more_shards_than_readers(tmp_path: Path, two: Executor) -> None:
    (workload,) = Load(clients=1, spread=0, count=5, rate=200, ttft=0.02).workloads(seed=1, round_number=1)
    read = run(workload, tmp_path / "trial", two, 2)
    assert [len(engine.readers) for engine in read.engines] == [1, 0]
    assert summarise(tmp_path / "trial").correctness == Correctness()


@pytest.mark.parametrize(
    ("work", "timeout", "error"),
    [
        (dying, 30, "the load engine's process ended"),
        (hanging, 1, "the load engine took longer than 1 s"),
        (refusing, 30, "no such luck"),
    ],
)
def test_a_shard_that_fails_is_the_trial_s_error_and_not_the_next_one_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: object, timeout: float, error: str
) -> None:
    before = {*multiprocessing.active_children()}
    with processes(2, None) as executor:
        with monkeypatch.context() as patch:
            patch.setattr(shards, "work", work)
            patch.setattr("streamlanes.benchmarks.trial.trial.PATIENCE", timeout - LOAD.duration)
            patch.setattr("streamlanes.benchmarks.trial.trial.PREPARATION", 0)
            plan = TrialPlan(contestant=SUBJECT, workload=LOAD, round=1, seed=1)
            run_trial(plan, tmp_path / "failing", Site(ANYWHERE, executor, 2), ignore)
        assert error in (read_trial(tmp_path / "failing").error or "")
        result = summarise(tmp_path / "failing")
        assert not result.correctness.ok
        assert error in result.correctness.faults()
        assert not result.figures
        run(LOAD, tmp_path / "next", executor, 2)
        assert summarise(tmp_path / "next").correctness == Correctness()
    assert {*multiprocessing.active_children()} == before


def test_workers_are_gone_when_the_run_breaks_off() -> None:
    def breaks_off(seconds: float) -> None:
        raise KeyboardInterrupt

    def broken_off() -> None:
        given = dump_spec(replace(spec(Rereading(stream="s", events=1, seconds=0)), reader="sse"))
        with processes(1, None) as executor, pytest.MonkeyPatch.context() as patch:
            patch.setattr(shards, "work", hanging)
            drive(executor, [given], 60, breaks_off)

    before = {*multiprocessing.active_children()}
    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert {*multiprocessing.active_children()} == before


def test_progress_is_told(two: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    monkeypatch.setattr(shards, "work", refusing)
    with pytest.raises(ShardError):
        drive(two, [b""], 10, told.append)
    assert told
    assert told == sorted(told)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://"])
def test_a_cluster_that_is_not_there(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "CONNECT_SECONDS", 0.2)
    with pytest.raises(ShardError, match="there is no Dask scheduler at"), shards.cluster(address):
        pass
