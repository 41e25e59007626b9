"""From raw results to rows: gate, percentiles, merging, what is kept and what is suppressed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.gate import Verdict
from benchmarks.histogram import Histogram, is_supported
from benchmarks.lanes import rows, spread
from benchmarks.records import read_engine
from benchmarks.summarise import summarise
from tests.benchmarks.raw import MS, write_raw


def test_known_latencies(tmp_path: Path) -> None:
    result = summarise(write_raw(tmp_path / "trial", (600, 500)))
    assert (result.events, result.readers, result.verdict) == (1_100, 2, Verdict())
    (row,) = rows([result], "load", ["sse", "ws"])
    assert row.load is not None
    assert row.load.latency.p50 == pytest.approx(MS, rel=0.001)
    assert row.load.latency.p99 == pytest.approx(MS, rel=0.001)
    assert row.load.latency.percentiles[3] is None  # 1.1 samples beyond
    assert row.load.lag.p50 == pytest.approx(0.1 * MS, rel=0.001)
    assert row.load.queueing.p50 == pytest.approx(0.2 * MS, rel=0.001)
    assert row.load.delivery.p50 == pytest.approx(0.7 * MS, rel=0.001)
    assert row.load.first_event.p50 is None  # two sessions
    assert row.load.goodput == pytest.approx(1_100)
    assert row.server_cpu_us == pytest.approx(30_000 / 1_100)


@pytest.mark.parametrize("offsets", [[1, 3], [1, 2, 2, 3], [2, 1, 3]])
def test_a_trial_that_is_not_correct_has_no_figures(tmp_path: Path, offsets: list[int]) -> None:
    good = summarise(write_raw(tmp_path / "good", (30,)))
    bad = summarise(write_raw(tmp_path / "bad", (3,), round_number=2, offsets=offsets))
    assert not bad.verdict.ok
    assert bad.load is None
    (row,) = rows([good, bad], "load", ["sse"])  # nor has its lane
    assert row.load is None
    assert row.rate is row.server_cpu_us is None
    assert row.trials == 2


def test_a_trial_that_failed(tmp_path: Path) -> None:
    result = summarise(write_raw(tmp_path / "trial", error="the server didn't start"))
    assert result.verdict == Verdict(failures=("the server didn't start",))


def test_a_journal_that_is_gone_refuses_the_trial(tmp_path: Path) -> None:
    folder = write_raw(tmp_path / "trial")
    (folder / "journal" / "e0.journal").unlink()
    result = summarise(folder)
    assert result.load is None
    assert not result.verdict.ok


def test_raw_results_come_back_as_they_were(tmp_path: Path) -> None:
    engine, columns = read_engine(write_raw(tmp_path / "trial", (3, 2)))
    assert [reader.epoch for reader in engine.readers] == ["e0", "e1"]
    assert [list(column.offsets) for column in columns] == [[1, 2, 3], [1, 2]]
    assert list(columns[1].received) == [2 * MS, 3 * MS]


@pytest.mark.parametrize(
    ("percentile", "samples", "supported"),
    [(50, 19, False), (50, 20, True), (90, 99, False), (90, 100, True), (99, 999, False), (99, 1_000, True),
     (99.9, 9_999, False), (99.9, 10_000, True)],
)  # fmt: skip
def test_ten_samples_beyond(percentile: float, samples: int, supported: bool) -> None:
    assert is_supported(percentile, samples) is supported


def test_deliveries_of_one_event_are_one_sample() -> None:
    histogram = Histogram([MS] * 100_000)
    assert spread(histogram, samples=500).p99 is None
    assert spread(histogram, samples=1_000).p99 is not None


def test_merged_is_as_if_recorded_together() -> None:
    rng = random.Random(7)
    first = [round(rng.lognormvariate(14, 1)) for _ in range(3_000)]
    second = [round(rng.lognormvariate(17, 1)) for _ in range(500)]
    together = Histogram(first + second)
    merged = Histogram.merged([Histogram(first).encode(), Histogram(second).encode()])
    wanted = (1, 50, 90, 99, 99.9, 100)
    assert merged.percentiles(wanted) == together.percentiles(wanted)
    assert len(merged) == 3_500
    assert merged.max == pytest.approx(max(first + second), rel=0.001)
    exact = sorted(first + second)
    assert merged.percentiles([90])[0] == pytest.approx(exact[round(0.9 * 3_500) - 1], rel=0.001)


@pytest.mark.parametrize("value", [-1, 3_600_000_000_001])
def test_no_time(value: int) -> None:
    with pytest.raises(ValueError, match="no time"):
        Histogram([value])


def test_zero_and_nothing() -> None:
    assert Histogram([0, 0]).max == 0
    with pytest.raises(ValueError, match="empty"):
        Histogram().percentiles([50])
