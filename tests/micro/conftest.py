"""The sizes that steps are measured at, and what is said of a run against `baseline.json`."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from pytest_benchmark.session import BenchmarkSession

from streamlanes.producers.events import Event
from tests.micro import baseline
from tests.micro.baseline import Run, Shown
from tests.micro.streams import make_events

RATIOS: pytest.StashKey[Sequence[str]] = pytest.StashKey()


@pytest.fixture(params=[32, 1024, 16_384], ids=lambda size: f"{size}B")
def size(request: pytest.FixtureRequest) -> int:
    """Bytes of each event's JSON."""
    value: int = request.param
    return value


@pytest.fixture(params=[1, 256], ids=lambda count: f"x{count}")
def count(request: pytest.FixtureRequest) -> int:
    """Events in a batch."""
    value: int = request.param
    return value


@pytest.fixture
def events(size: int, count: int) -> list[Event]:
    """A batch of events with payloads of one size."""
    return make_events(size, count)


def pytest_benchmark_update_machine_info(machine_info: dict[str, object]) -> None:
    """Keep what decides whether two runs' times can be compared."""
    baseline.reduce_machine(machine_info)


def pytest_benchmark_update_json(output_json: Run) -> None:
    """Keep what a comparison reads."""
    baseline.reduce_run(output_json)


def pytest_benchmark_compare_machine_info(
    benchmarksession: BenchmarkSession, machine_info: dict[str, object], compared_benchmark: Run
) -> None:
    """Compare, but let nothing fail, where the baseline is another machine's."""
    if not baseline.same_machine(machine_info, compared_benchmark):
        benchmarksession.compare_fail = []


def pytest_benchmark_group_stats(config: pytest.Config, benchmarks: Sequence[Shown]) -> None:
    """Take the ratios before the plugin, which groups the steps, puts their sources into their names."""
    config.stash[RATIOS] = [*baseline.ratio_table(benchmarks)]


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what can be carried from machine to machine."""
    for line in config.stash.get(RATIOS, ()):
        terminalreporter.write_line(line)
