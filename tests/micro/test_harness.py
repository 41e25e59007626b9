"""What becomes of a trial's record: the gate, the join with the journal, histograms, an encoded result, statistics."""

from __future__ import annotations

import math
import random
from array import array
from itertools import pairwise

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from streamlanes.benchmarks.analysis.gate import judge
from streamlanes.benchmarks.analysis.histogram import Histogram
from streamlanes.benchmarks.analysis.join import Times, join
from streamlanes.benchmarks.analysis.statistics import holm, interval, p_value, paired
from streamlanes.benchmarks.spec.expected import Expected
from streamlanes.benchmarks.spec.records import Column
from streamlanes.producers.pacing.journal import Stamp
from tests.benchmarks.raw import checksum, reader

DELIVERIES = 10_000
MS = 1_000_000


@pytest.fixture(scope="module")
def stamps() -> list[Stamp]:
    """The journal of a stream of 1,000 events a second."""
    return [Stamp(due=n * MS, woke=n * MS + 50_000, append=n * MS + 80_000) for n in range(1, DELIVERIES + 1)]


@pytest.fixture(scope="module")
def column(stamps: list[Stamp]) -> Column:
    """A reader's record of it, with latencies as a lane has them: log-normal, around a millisecond."""
    rng = random.Random(1)
    received = (stamp.append + round(rng.lognormvariate(math.log(MS), 0.5)) for stamp in stamps)
    return Column(array("q", range(1, DELIVERIES + 1)), array("q", received))


@pytest.fixture(scope="module")
def latencies(stamps: list[Stamp], column: Column) -> array[int]:
    times = Times()
    join(column, stamps, times)
    return times.latency


def test_judge_10000_deliveries(benchmark: BenchmarkFixture, column: Column) -> None:
    expected = Expected(events=DELIVERIES, checksum=checksum(DELIVERIES), first_ns=MS, duration_ns=DELIVERIES * MS)
    assert benchmark(judge, reader("e1", DELIVERIES), column, expected).ok


def test_join_10000_deliveries(benchmark: BenchmarkFixture, stamps: list[Stamp], column: Column) -> None:
    def joined() -> Times:
        times = Times()
        join(column, stamps, times)
        return times

    times = benchmark(joined)
    assert len(times.latency) == DELIVERIES
    assert times.latency[0] == column.received[0] - stamps[0].due


def test_histogram_of_10000_times(benchmark: BenchmarkFixture, latencies: array[int]) -> None:
    histogram = benchmark(Histogram, latencies)
    assert len(histogram) == DELIVERIES
    assert histogram.max == pytest.approx(max(latencies), rel=0.001)


def test_percentiles(benchmark: BenchmarkFixture, latencies: array[int]) -> None:
    found = benchmark(Histogram(latencies).percentiles, [50, 90, 99, 99.9])
    assert all(one < other for one, other in pairwise(found))
    assert found[0] == pytest.approx(sorted(latencies)[DELIVERIES // 2], rel=0.002)


def test_encode_a_histogram(benchmark: BenchmarkFixture, latencies: array[int]) -> None:
    assert len(Histogram.decode(benchmark(Histogram(latencies).encode))) == DELIVERIES


def test_merge_10_histograms(benchmark: BenchmarkFixture, latencies: array[int]) -> None:
    encoded = [Histogram(latencies).encode()] * 10
    assert len(benchmark(Histogram.merged, encoded)) == 10 * DELIVERIES


def test_verdicts_on_100_comparisons_of_10_rounds(benchmark: BenchmarkFixture) -> None:
    rng = random.Random(1)
    ratios = [[rng.gauss(0, 0.02) for _ in range(10)] for _ in range(100)]

    def intervals() -> list[tuple[float, float]]:
        estimates = [paired(values) for values in ratios]
        steps = holm([p_value(estimate) for estimate in estimates])
        return [interval(estimate, step.alpha) for estimate, step in zip(estimates, steps, strict=True)]

    assert sum(low < 0 < high for low, high in benchmark(intervals)) >= 95
