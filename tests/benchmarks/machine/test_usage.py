"""How busy a process was, from samples of its clocks."""

from __future__ import annotations

import os
import time

import pytest

from streamlanes.benchmarks.machine.clocks import ProcessTime, process_time
from streamlanes.benchmarks.machine.usage import NOTHING_USED, Limit, limit, usage

QUARTER = 250_000_000


def used(*shares: float, waited: float | None = 0.0) -> list[ProcessTime]:
    """Return samples at every quarter of a second, with the share of a CPU used in each quarter."""
    sums = [sum(shares[:end]) for end in range(len(shares) + 1)]
    return [
        ProcessTime(round(total * QUARTER), None if waited is None else round(waited * quarters * QUARTER))
        for quarters, total in enumerate(sums)
    ]


@pytest.mark.parametrize(
    ("samples", "busiest"),
    [
        (used(1, 1, 0, 0, 0, 0), 0.5),  # the start of the sessions isn't an overload
        (used(0.2, 0.2, 1, 1, 1, 1, 0.2, 0.2), 1),  # nor is the whole trial what counts
        (used(*[0.6] * 5, waited=0.35), 0.95),
        (used(*[0.6] * 5, waited=None), 0.6),
        (used(0.9, 0.9, 0.9), 0.9),  # shorter than a second
        (used(1), None),
    ],
)
def test_the_busiest_second(samples: list[ProcessTime], busiest: float | None) -> None:
    times = [7 + number * QUARTER for number in range(len(samples))]
    found = usage(times, samples).busiest
    assert found == (None if busiest is None else pytest.approx(busiest))


def test_late_samples() -> None:
    """The window is a second at least, whenever the samples were taken."""
    samples = [ProcessTime(cpu_ns, 0) for cpu_ns in (0, 600_000_000, 900_000_000, 900_000_000)]
    found = usage([0, 600_000_000, 1_500_000_000, 1_600_000_000], samples)
    assert found.busiest == pytest.approx(0.6)
    assert (found.cpu_ns, found.waited_ns) == (900_000_000, 0)


def test_without_clocks() -> None:
    assert usage([0, 1], [ProcessTime(None, None)] * 2) == NOTHING_USED
    assert NOTHING_USED.busy_ns() is None


def test_of_this_process() -> None:
    before = process_time(os.getpid())
    until = time.process_time_ns() + 20_000_000
    while time.process_time_ns() < until:
        pass
    after = process_time(os.getpid())
    assert before.cpu_ns is not None
    assert after.cpu_ns is not None
    assert after.cpu_ns - before.cpu_ns >= 20_000_000
    assert (before.waited_ns or 0) <= (after.waited_ns or 0)


@pytest.mark.parametrize(
    ("server", "engine", "expected"),
    [
        (0.25, 0.85, "engine"),
        (0.99, 0.92, "both"),
        (0.89, 0.92, "engine"),
        (0.9, 0.8, "server"),
        (0.4, 0.6, "neither"),
        (None, 0.6, None),
    ],
)
def test_which_side_limits(server: float | None, engine: float | None, expected: Limit | None) -> None:
    assert limit(server, engine) == expected
