"""A limit on latency as a test of one's own suite: `pytest test_limits.py`."""

import pytest

from streamlanes.benchmarks import Run, plan, run

LIMIT_MS = 1_000


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Run:
    experiment = plan(
        "telemetry",
        lanes=["sse"],
        rounds=1,
        settings={"broadcast.deliveries": 200, "broadcast.seconds": 1, "broadcast.warm_up": 0},
    )
    return run(experiment, tmp_path_factory.mktemp("results"))


def test_nothing_is_lost(measured: Run) -> None:
    assert [result.correctness.faults() for result in measured.results if not result.correct] == []


def test_events_are_there_in_time(measured: Run) -> None:
    figures = [result.figures for result in measured.results if result.lane == "sse" and result.kind == "broadcast"]
    assert all(of_trial["latency_p50_ms"] < LIMIT_MS for of_trial in figures)
