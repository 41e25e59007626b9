"""From raw results to rows: gate, percentiles, merging, what is kept and what is suppressed."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest

from streamlanes.benchmarks.analysis import recorded
from streamlanes.benchmarks.analysis.figures import percentiles
from streamlanes.benchmarks.analysis.gate import Correctness
from streamlanes.benchmarks.analysis.histogram import Histogram, is_supported
from streamlanes.benchmarks.experiment.summarise import summarise
from streamlanes.benchmarks.machine.clocks import TCPCount
from streamlanes.benchmarks.report import tables
from streamlanes.benchmarks.report.rows import rows
from streamlanes.benchmarks.spec.records import read_engines
from tests.benchmarks import synthetic
from tests.benchmarks.raw import MS, write_raw


def test_known_latencies(tmp_path: Path) -> None:
    result = summarise(write_raw(tmp_path / "trial", (600, 500)))
    assert (result.events, result.readers, result.correctness) == (1_100, 2, Correctness())
    (row,) = rows([result], "load", ["sse", "ws"])
    assert row.figures["latency_p50_ms"] == pytest.approx(1, rel=0.001)
    assert row.figures["latency_p99_ms"] == pytest.approx(1, rel=0.001)
    assert "latency_p999_ms" not in row.figures  # 1.1 samples beyond
    assert row.figures["latency_max_ms"] == pytest.approx(1, rel=0.001)
    assert row.figures["lag_p50_ms"] == pytest.approx(0.1, rel=0.001)
    assert row.figures["queueing_p50_ms"] == pytest.approx(0.2, rel=0.001)
    assert row.figures["delivery_p50_ms"] == pytest.approx(0.7, rel=0.001)
    assert "first_event_p50_ms" not in row.figures  # two sessions
    assert row.figures["goodput"] == pytest.approx(1_100)
    assert row.figures["in_time"] == 1
    assert row.figures["server_us_per_event"] == pytest.approx(30_000 / 1_100)
    assert row.figures["engine_us_per_event"] == pytest.approx(60_000 / 1_100)
    assert row.figures["server_cpu"] == pytest.approx(0.03)


@pytest.mark.parametrize("offsets", [[1, 3], [1, 2, 2, 3], [2, 1, 3]])
def test_a_trial_that_is_not_correct_has_no_figures(tmp_path: Path, offsets: list[int]) -> None:
    good = summarise(write_raw(tmp_path / "good", (30,)))
    bad = summarise(write_raw(tmp_path / "bad", (3,), round_number=2, offsets=offsets))
    assert not bad.correctness.ok
    assert good.figures
    assert (bad.figures, bad.histograms, bad.samples, bad.heat) == ({}, {}, {}, None)
    (row,) = rows([good, bad], "load", ["sse"])  # nor has its lane
    assert not row.figures
    assert row.trials == 2


def test_a_figure_that_one_trial_lacks_is_not_that_of_the_others(tmp_path: Path) -> None:
    whole = summarise(write_raw(tmp_path / "1", (600, 500)))
    lacking = dataclasses.replace(whole, figures={"in_time": 0.5}, histograms={}, samples={})
    (row,) = rows([whole, lacking], "load")
    assert row.figures == {"in_time": 0.75}


def test_trials_of_a_lane_are_merged_and_counted_together(tmp_path: Path) -> None:
    results = [summarise(write_raw(tmp_path / str(number), (600,), round_number=number)) for number in (1, 2)]
    assert all("latency_p99_ms" not in result.figures for result in results)
    (row,) = rows(results, "load")
    assert row.figures["latency_p99_ms"] == pytest.approx(1, rel=0.001)
    assert (row.trials, row.events, row.readers) == (2, 1_200, 2)


def test_points_are_rows_of_their_own(tmp_path: Path) -> None:
    results = [
        summarise(
            write_raw(tmp_path / f"{n}-{lane}", (30,), kind="broadcast", lane=lane, readers=n, point={"readers": n})
        )
        for n in (10, 2)
        for lane in ("ws", "sse")
    ]
    found = rows(results, "broadcast", ["sse", "ws"])
    assert [(row.point["readers"], row.lane, row.readers) for row in found] == [
        (2, "sse", 2), (2, "ws", 2), (10, "sse", 10), (10, "ws", 10),
    ]  # fmt: skip
    assert not rows(results, "load")


def test_a_trial_that_failed(tmp_path: Path) -> None:
    result = summarise(write_raw(tmp_path / "trial", error="the server didn't start"))
    assert result.correctness == Correctness(failures=("the server didn't start",))


def test_a_journal_that_is_gone_refuses_the_trial(tmp_path: Path) -> None:
    folder = write_raw(tmp_path / "trial")
    (folder / "journal" / "e0.journal").unlink()
    result = summarise(folder)
    assert not result.figures
    assert result.correctness.failures
    assert "e0.journal" in result.correctness.faults()


def test_raw_results_come_back_as_they_were(tmp_path: Path) -> None:
    ((engine, columns),) = read_engines(write_raw(tmp_path / "trial", (3, 2)))
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


def test_a_figure_takes_independent_samples_enough() -> None:
    histogram = Histogram([MS] * 100_000)
    assert "latency_p99_ms" not in percentiles("latency", histogram, samples=500)
    assert "latency_p99_ms" in percentiles("latency", histogram, samples=1_000)
    assert not percentiles("latency", Histogram(), samples=0)


def test_deliveries_of_one_event_are_one_sample(tmp_path: Path) -> None:
    result = summarise(write_raw(tmp_path / "trial", (500,), kind="broadcast", readers=4))
    assert (result.events, result.readers, result.correctness) == (2_000, 4, Correctness())
    assert result.samples["latency"] == 500
    assert "latency_p90_ms" in result.figures
    assert "latency_p99_ms" not in result.figures
    assert result.figures["server_us_per_event"] == pytest.approx(30_000 / 2_000)  # but a delivery costs what it costs


def test_shards_are_readers_of_one_trial(tmp_path: Path) -> None:
    folder = write_raw(tmp_path / "trial", (600, 500, 400), boot_ids=("boot", "boot"))
    assert [reading.reader.index for reading in recorded.read(folder).readings] == [0, 1, 2]
    result = summarise(folder)
    assert (result.events, result.readers, result.correctness) == (1_500, 3, Correctness())
    assert result.figures["server_us_per_event"] == pytest.approx(30_000 / 1_500)  # the server is one
    assert result.figures["engine_us_per_event"] == pytest.approx(120_000 / 1_500)  # and the shards are two


def test_a_shard_that_is_missing_refuses_the_trial(tmp_path: Path) -> None:
    folder = write_raw(tmp_path / "trial", (600, 500), boot_ids=("boot", "boot"))
    (folder / "engine-1.json").unlink()
    result = summarise(folder)
    assert result.correctness == Correctness(failures=("2 readers were planned, and 1 started",))
    assert not result.figures


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


def test_what_disturbed_the_machine_is_told_of_the_trial_and_in_the_report(tmp_path: Path) -> None:
    result = summarise(write_raw(tmp_path / "trial", steal=0.02, tcp=TCPCount(overflows=1, drops=2, retransmitted=3)))
    told = {caveat.name: caveat.detail for caveat in result.caveats}
    assert told["CPU time stolen by the hypervisor"] == "2.0%"
    assert told["connections that a listener dropped"].startswith("2, 1 of them")
    assert told["TCP segments sent again"] == "3"
    header = synthetic.header("sse")
    sysctls = {**header.environment.sysctls, "net.ipv4.tcp_congestion_control": "bbr"}
    other = dataclasses.replace(header, environment=dataclasses.replace(header.environment, sysctls=sysctls))
    doubts = "\n".join(tables.doubts(other, [result]))
    for name in (*told, "TCP congestion control: "):
        assert name in doubts
    cubic = {**sysctls, "net.ipv4.tcp_congestion_control": "cubic"}
    calm = dataclasses.replace(header, environment=dataclasses.replace(header.environment, sysctls=cubic))
    undisturbed = summarise(write_raw(tmp_path / "calm", tcp=TCPCount(overflows=0, drops=0, retransmitted=0)))
    left = "\n".join(tables.doubts(calm, [undisturbed]))
    assert not [name for name in (*told, "TCP congestion control") if name in left]


def test_an_overloaded_trial_has_no_goodput(tmp_path: Path) -> None:
    """Nor a share in time: both are of its backlog. What it cost is known all the same."""
    calm = summarise(write_raw(tmp_path / "calm", (600,)))
    busy = summarise(write_raw(tmp_path / "busy", (600,), server=(990, 0)))
    assert (calm.overloaded, busy.overloaded) == (False, True)
    assert {"goodput", "in_time", "latency_p50_ms"} <= calm.figures.keys()
    assert not {"goodput", "in_time", "latency_p50_ms"} & busy.figures.keys()
    assert busy.figures["server_us_per_event"] > 0
