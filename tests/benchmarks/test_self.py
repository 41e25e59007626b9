"""The harness against what is known: a server that freezes, a lane that is late, one that loses events, one that is
the same, and a server that is faster than any lane.

Where the machine's own timing is part of it, two of three tries must pass, and why one didn't is printed. A try in
which other programs had the CPUs says nothing, and is made again.
"""

from __future__ import annotations

import dataclasses
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from streamlanes.benchmarks.analysis import caveats, recorded
from streamlanes.benchmarks.analysis.histogram import Histogram
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment.ceiling import measure, null_server
from streamlanes.benchmarks.experiment.summarise import summarise
from streamlanes.benchmarks.kinds.broadcast import Broadcast
from streamlanes.benchmarks.kinds.calibration import Calibration
from streamlanes.benchmarks.kinds.saturated import Saturated
from streamlanes.benchmarks.machine.processes import placement
from streamlanes.benchmarks.report.comparison import compare
from streamlanes.benchmarks.servers.null import LANES, STREAM
from streamlanes.benchmarks.spec.records import Spec
from streamlanes.benchmarks.spec.tasks import Rereading
from streamlanes.benchmarks.spec.workload import Network, Workload
from streamlanes.benchmarks.trial.contestants import Lane
from streamlanes.benchmarks.trial.server import serving
from streamlanes.benchmarks.trial.shards import processes
from streamlanes.benchmarks.trial.trial import Site, TrialPlan, run_trial
from streamlanes.producers.wire import SSE
from tests.benchmarks.faulty_lanes import LATER, install
from tests.benchmarks.rows import role

RATE: Final = 200
"""Events per second."""
STALL: Final = 1.0
"""Seconds."""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    where = placement()
    with processes(1, None if where.engine is None else [where.engine]) as engine:
        yield Site(where, engine)


def broadcast(seconds: float, readers: int = 4, rate: float = RATE) -> Workload:
    part = Broadcast(readers=(readers,), deliveries=rate * readers, seconds=seconds, warm_up=0)
    (workload,) = part.workloads(seed=1, round_number=1)
    return workload


def measured(workload: Workload, site: Site, folder: Path, lane: str = "sse") -> Result:
    plan = TrialPlan(contestant=Lane(name=lane, lane=lane, reader=SSE), workload=workload, round=1, seed=1)
    return measured_plan(plan, site, folder)


def measured_plan(plan: TrialPlan, site: Site, folder: Path) -> Result:
    run_trial(plan, folder, site, lambda _: None)
    return summarise(folder)


class MachineBusyError(Exception):
    """A lane that bears its load many times over had no CPU to bear it with."""


def latency_ms(result: Result) -> float:
    """Return a latency's 20th percentile, of a lane far from its limits: only other programs can hold that up.

    They do so by much more than what is to be seen, and so often that the median isn't the lane's.
    """
    assert result.correctness.ok, result.correctness.faults()
    if result.overloaded:
        raise MachineBusyError(*(caveat.detail for caveat in result.caveats))
    (low,) = Histogram.decode(result.histograms["latency"]).percentiles([20])
    return low / 1e6


def two_of_three(attempt: Callable[[Path], None], folder: Path) -> None:
    """Pass if *attempt*, each time in a folder of its own, does so twice before it has failed twice.

    Up to five times it may be found that the machine was busy.
    """
    outcomes: list[bool | None] = []
    while outcomes.count(True) < 2:
        try:
            attempt(folder / str(len(outcomes)))
        except (AssertionError, MachineBusyError) as error:
            outcomes.append(False if isinstance(error, AssertionError) else None)
            print(f"try {len(outcomes)}: {error!r}")  # noqa: T201 (it tells how near the machine is to its limits)
            if outcomes.count(False) == 2 or outcomes.count(None) == 6:
                raise
        else:
            outcomes.append(True)


def freezing(workload: Workload, stalls: list[float]) -> Network:
    """Have the server stopped for STALL seconds, a quarter into the stream of *workload*, which is twice as long.

    *stalls* gets how long it really was. The pacer is another process, and goes on.
    """

    @contextmanager
    def network(url: str, pid: int | None, *, folder: Path, cpu: int | None) -> Iterator[str]:
        assert pid is not None
        over = threading.Event()

        def freeze() -> None:
            if over.wait(workload.opens + STALL / 2):
                return
            began = time.monotonic()
            os.kill(pid, signal.SIGSTOP)
            try:
                over.wait(STALL)
            finally:
                os.kill(pid, signal.SIGCONT)
                stalls.append(time.monotonic() - began)

        thread = threading.Thread(target=freeze)
        thread.start()
        try:
            yield url
        finally:
            over.set()
            thread.join()

    return network


@pytest.mark.usefixtures("on_linux")
def test_a_stall_is_charged_to_every_event_that_it_delayed(site: Site, tmp_path: Path) -> None:
    """An event that was due x seconds before the end of the stall is x late, so latency falls evenly from the stall S
    to 0 over the half of the events that were due in it: a share of (1 - x/S) / 2 of all is later than x. That is a
    tenth at x = 0.8 S, the p90. A closed loop sends nothing meanwhile: it sees one event late, and its p90 isn't.
    """
    workload = broadcast(2 * STALL)

    def attempt(folder: Path) -> None:
        stalls: list[float] = []
        result = measured(dataclasses.replace(workload, network=freezing(workload, stalls)), site, folder)
        (stall,) = stalls
        assert result.correctness.ok, result.correctness.faults()
        assert not result.overloaded  # it has caught up long before the end
        assert result.figures["latency_max_ms"] == pytest.approx(stall * 1e3, rel=0.1)
        assert result.figures["latency_p90_ms"] == pytest.approx(0.8 * stall * 1e3, rel=0.1)
        queueing, lag = (Histogram.merged([result.histograms[name]]) for name in ("queueing", "lag"))
        assert queueing.max == pytest.approx(stall * 1e9, rel=0.1)
        assert lag.percentiles([90])[0] < 0.05 * stall * 1e9  # the pacer woke for the events when they were due
        received = recorded.read(folder).readings[0].column.received
        gaps = sorted(later - earlier for earlier, later in pairwise(received))
        assert gaps[-1] == pytest.approx(stall * 1e9, rel=0.1)
        assert gaps[round(0.9 * len(gaps))] < 0.1 * stall * 1e9  # what a closed loop would call its p90

    two_of_three(attempt, tmp_path)


@pytest.fixture
def on_linux() -> None:
    if placement().server is None:
        pytest.skip("the server and the engine have no CPUs of their own here")


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "faulty"
    folder.mkdir()
    install(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)


@pytest.mark.usefixtures("faulty")
def test_a_lane_that_is_5_ms_later_comes_out_5_ms_later(site: Site, tmp_path: Path) -> None:
    calm = broadcast(0.5, rate=50)  # so that each event is gone before the next one is due

    def attempt(folder: Path) -> None:
        folder.mkdir()
        punctual, late = (measured(calm, site, folder / lane, lane) for lane in ("punctual", "late"))
        difference = latency_ms(late) - latency_ms(punctual)
        assert LATER * 1e3 - 1 < difference < LATER * 1e3 + 3.5  # timers are late, and never early

    two_of_three(attempt, tmp_path)


@pytest.mark.usefixtures("faulty")
def test_a_lane_that_drops_one_event_in_a_hundred_has_no_figures(site: Site, tmp_path: Path) -> None:
    result = measured(broadcast(1.0), site, tmp_path / "lossy", "lossy")
    assert result.correctness.lost == 4 * RATE // 100
    assert (result.figures, result.histograms, result.heat) == ({}, {}, None)


@pytest.fixture
def few_open_files() -> Iterator[None]:
    """Set the limit as most shells have it, in small; what is started has it too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_open_files")
def test_500_connections_from_one_shard(tmp_path: Path) -> None:
    with processes(1, None) as engine:
        result = measured(broadcast(1.0, readers=500, rate=4), Site(placement(), engine), tmp_path / "many")
    assert result.correctness.ok, result.correctness.faults()
    assert (result.readers, result.events) == (500, 500 * 4)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_5000_connections_from_one_shard(site: Site, tmp_path: Path) -> None:
    began = time.monotonic()
    result = measured(broadcast(4.0, readers=5_000, rate=1), site, tmp_path / "many")
    print(f"5,000 connections: {time.monotonic() - began:.1f} s, {result.figures}")  # noqa: T201 (for `pytest -s`)
    assert result.correctness.ok, result.correctness.faults()
    assert (result.readers, result.events) == (5_000, 5_000 * 4)


@pytest.fixture(scope="module")
def ratio(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], float]]:
    """Give what multiple of a lane's saturated rate the engine takes from the null server."""
    part = Saturated(events=20_000, seconds=0.3)
    (workload,) = part.workloads(seed=1, round_number=1)
    task = Rereading(stream=STREAM, events=part.events, seconds=part.seconds)

    def rate(lane: str, url: str, pid: int | None) -> float:
        spec = Spec(url=url, lane=lane, reader=LANES[lane], server_pid=pid, deadline=20.0, task=task)
        return max(measure(site.engine, spec).rate for _ in range(3))  # what others have of the CPUs is in the others

    with (
        serving(tmp_path_factory.mktemp("lanes"), site.where, workload.options) as ours,
        null_server(tmp_path_factory.mktemp("null"), cpu=site.where.server, events=part.events) as null,
    ):
        yield lambda lane: rate(lane, *null) / rate(lane, ours.url, ours.pid)


AT_LEAST: Final = {"ws": 1.0, "sse": 1.0, "ndjson": 1.0, "poll": 0.0}
"""Alone on a machine it is about twice what our server gives (2.5 on `ws`, 1.9 on `sse`, 2.2 on `ndjson`); beside other
tests it may be half of that. Where METHOD's rule of twice isn't kept in a run, its report has a caveat with the ratio.
Polls wait for round trips: their ratio is printed only."""


@pytest.mark.usefixtures("on_linux")
@pytest.mark.parametrize("lane", AT_LEAST)
def test_the_engine_takes_more_than_a_lane_gives(lane: str, ratio: Callable[[str], float], tmp_path: Path) -> None:
    def attempt(_: Path) -> None:
        found = ratio(lane)
        print(f"the engine's ceiling: x{found:.2f} of {lane}")  # noqa: T201 (for `pytest -s`)
        assert found >= AT_LEAST[lane]

    two_of_three(attempt, tmp_path)


def test_a_lane_against_itself_is_not_told_to_differ(site: Site, tmp_path: Path) -> None:
    """Three rounds of the lane entered twice: the 95 % interval of its CPU ratio has 1 in it, 19 times out of 20."""
    (short,) = Saturated(events=5_000, seconds=0.1).workloads(seed=1, round_number=1)

    def attempt(folder: Path) -> None:
        folder.mkdir()
        trials = [
            TrialPlan(
                contestant=Lane(name=name, lane="sse", reader=SSE, role=role(name)),
                workload=short,
                round=number,
                seed=1,
            )
            for number in (1, 2, 3)
            for name in (("sse", "sse~again") if number % 2 else ("sse~again", "sse"))
        ]
        results = [measured_plan(plan, site, folder / plan.name) for plan in trials]
        assert all(result.correctness.ok for result in results)
        (ratio,) = compare(results, ["sse"], metrics=["server_us_per_event"]).entries
        assert (ratio.lane, ratio.rounds) == ("sse~again", 3)
        assert ratio.low <= 1 <= ratio.high, f"{ratio.ratio:.3f}, {ratio.low:.3f} to {ratio.high:.3f}"

    two_of_three(attempt, tmp_path)


@pytest.mark.usefixtures("on_linux")
def test_the_engines_own_lag_is_known(site: Site, tmp_path: Path) -> None:
    (workload,) = Calibration(seconds=0.5, readers=2, deliveries=400).workloads(seed=1, round_number=1)
    result = measured(workload, site, tmp_path / "calibration")
    assert result.correctness.ok, result.correctness.faults()
    assert 0 < result.figures["engine_lag_p50_ms"] < 50
    assert {name for name in result.figures if name.startswith(("latency", "server"))} == set()


def test_a_lag_of_the_engines_own_is_a_doubt_where_it_is_a_fifth_of_the_latency() -> None:
    assert not caveats.engine_lag(0.19, 1.0)
    (caveat,) = caveats.engine_lag(0.21, 1.0)
    assert "21%" in caveat.detail


def test_a_ceiling_under_twice_the_lanes_rate_is_a_doubt() -> None:
    assert not caveats.ceiling(1_000, 2_000)
    (caveat,) = caveats.ceiling(1_000, 1_500)
    assert "x1.5" in caveat.detail
