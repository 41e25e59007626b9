"""The harness against faults that are known: a server that freezes, a lane that is late, one that loses events.

Where the machine's own timing is part of it, two of three tries must pass, and why one didn't is printed.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from benchmarks import caveats
from benchmarks.kinds.broadcast import Broadcast
from benchmarks.kinds.calibration import Calibration
from benchmarks.processes import placement
from benchmarks.results import Result
from benchmarks.shards import processes
from benchmarks.subjects import Lane
from benchmarks.summarise import summarise
from benchmarks.trial import Site, TrialPlan, run_trial
from benchmarks.workload import Workload
from producers.wire import SSE
from tests.benchmarks.faulty_lanes import LATER, install

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
    (workload,) = part.workloads(seed=1, round_number=1, trace=None)
    return workload


def measured(workload: Workload, site: Site, folder: Path, lane: str = "sse") -> Result:
    plan = TrialPlan(subject=Lane(name=lane, lane=lane, reader=SSE), workload=workload, round=1, seed=1)
    run_trial(plan, folder, site, lambda _: None)
    return summarise(folder)


def two_of_three(attempt: Callable[[Path], None], folder: Path) -> None:
    """Pass if *attempt*, each time in a folder of its own, does so twice out of three times."""
    failed = 0
    for number in range(1, 4):
        try:
            attempt(folder / str(number))
        except AssertionError as error:
            failed += 1
            print(f"try {number}: {error}")  # noqa: T201 (it tells how near the machine is to its limits)
            if failed == 2:
                raise
        if number - failed == 2:
            return


@contextmanager
def frozen(url: str, pid: int | None, *, folder: Path, cpu: int | None) -> Iterator[str]:
    """Stop the server for STALL seconds, a quarter into its stream of twice that time."""
    assert pid is not None
    workload = broadcast(2 * STALL)
    over = threading.Event()

    def freeze() -> None:
        if not over.wait(workload.opens + STALL / 2):
            os.kill(pid, signal.SIGSTOP)
            over.wait(STALL)
            os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=freeze)
    thread.start()
    try:
        yield url
    finally:
        over.set()
        thread.join()


@pytest.mark.usefixtures("on_linux")
def test_a_stall_is_charged_to_every_event_that_it_delayed(site: Site, tmp_path: Path) -> None:
    """An event that was due x seconds before the end of the stall is x late, and half of the events are in the stall:
    so one tenth of all are later than 0.8 of it. A closed loop would have sent nothing meanwhile, and seen one.
    """

    def attempt(folder: Path) -> None:
        result = measured(dataclasses.replace(broadcast(2 * STALL), network=frozen), site, folder)
        assert result.verdict.ok, result.verdict.faults()
        assert not result.overloaded
        assert result.figures["latency_max_ms"] == pytest.approx(STALL * 1e3, rel=0.1)
        assert result.figures["latency_p90_ms"] == pytest.approx(0.8 * STALL * 1e3, rel=0.1)
        assert result.figures["lag_p50_ms"] < 20  # the pacer isn't the server, and went on

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
    monkeypatch.setenv("PYTHONPATH", str(folder))


@pytest.mark.usefixtures("faulty")
def test_a_lane_that_is_5_ms_later_comes_out_5_ms_later(site: Site, tmp_path: Path) -> None:
    calm = broadcast(1.0, rate=50)  # so that each event is gone before the next one is due

    def attempt(folder: Path) -> None:
        folder.mkdir()
        punctual, late = (measured(calm, site, folder / lane, lane) for lane in ("punctual", "late"))
        difference = late.figures["latency_p50_ms"] - punctual.figures["latency_p50_ms"]
        assert LATER * 1e3 - 1 < difference < LATER * 1e3 + 3.5  # timers are late, and never early

    two_of_three(attempt, tmp_path)


@pytest.mark.usefixtures("faulty")
def test_a_lane_that_drops_one_event_in_a_hundred_has_no_figures(site: Site, tmp_path: Path) -> None:
    result = measured(broadcast(1.0), site, tmp_path / "lossy", "lossy")
    assert result.verdict.lost == 4 * RATE // 100
    assert (result.figures, result.histograms, result.heat) == ({}, {}, None)


def test_500_connections_from_one_shard(site: Site, tmp_path: Path) -> None:
    result = measured(broadcast(1.0, readers=500, rate=4), site, tmp_path / "many")
    assert result.verdict.ok, result.verdict.faults()
    assert (result.readers, result.events) == (500, 500 * 4)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_5000_connections_from_one_shard(site: Site, tmp_path: Path) -> None:
    result = measured(broadcast(4.0, readers=5_000, rate=1), site, tmp_path / "many")
    assert result.verdict.ok, result.verdict.faults()
    assert (result.readers, result.events) == (5_000, 5_000 * 4)
    print(result.figures)  # noqa: T201 (for `pytest -s`)


@pytest.mark.usefixtures("on_linux")
def test_the_engines_own_lag_is_known(site: Site, tmp_path: Path) -> None:
    (workload,) = Calibration(seconds=0.5, readers=2, deliveries=400).workloads(seed=1, round_number=1, trace=None)
    result = measured(workload, site, tmp_path / "calibration")
    assert result.verdict.ok, result.verdict.faults()
    assert 0 < result.figures["engine_lag_p50_ms"] < 50
    assert {name for name in result.figures if name.startswith(("latency", "server"))} == set()


def test_a_lag_of_the_engines_own_is_a_doubt_where_it_is_a_fifth_of_the_latency() -> None:
    assert not caveats.engine_lag(0.19, 1.0)
    (caveat,) = caveats.engine_lag(0.21, 1.0)
    assert "21%" in caveat.detail


def test_a_ceiling_under_twice_the_lanes_rate_is_a_doubt_but_for_polls() -> None:
    assert not caveats.ceiling(1_000, 2_000, exempt=False)
    assert not caveats.ceiling(1_000, 1_500, exempt=True)
    (caveat,) = caveats.ceiling(1_000, 1_500, exempt=False)
    assert "x1.5" in caveat.detail
