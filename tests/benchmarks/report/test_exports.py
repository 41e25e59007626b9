"""What other tools read of a run, and the limits that lanes are held to."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from streamlanes.benchmarks.analysis.gate import Correctness
from streamlanes.benchmarks.analysis.histogram import Histogram
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.report.exports import COLUMNS, csv_text, junit, write_hgrm
from streamlanes.benchmarks.report.rows import over_trials
from streamlanes.benchmarks.report.slo import check
from tests.benchmarks.synthetic import BLANK, header

MS = 1_000_000


def trial(lane: str = "sse", *, number: int = 1, milliseconds: Sequence[int] = (), **figures: float) -> Result:
    """Return a trial with a histogram of latencies, each an independent sample, and the figures."""
    return replace(
        BLANK,
        trial=f"{number}-{lane}",
        lane=lane,
        round=number,
        figures=figures,
        histograms={"latency": Histogram(value * MS for value in milliseconds).encode()} if milliseconds else {},
        samples={"latency": len(milliseconds)},
    )


def test_csv_has_every_figure() -> None:
    trials = [
        replace(trial(latency_p50_ms=1 / 3, goodput=5.0), point={"readers": 100, "rate": 0.5}, kind="broadcast"),
        trial("a,b", number=2, another=1e-9),
        replace(trial("ws", goodput=9.0), correctness=Correctness(lost=1)),
    ]
    head, *lines = csv.reader(io.StringIO(csv_text(trials)))
    assert tuple(head) == COLUMNS
    assert lines == [
        ["1-sse", "broadcast", "readers=100 rate=0.5", "sse", "1", "latency_p50_ms", "ms", "0.3333333333333333"],
        ["1-sse", "broadcast", "readers=100 rate=0.5", "sse", "1", "goodput", "events/s", "5.0"],
        ["2-a,b", "load", "", "a,b", "2", "another", "", "1e-09"],
    ]


def plotted(text: str) -> list[tuple[float, float, int]]:
    """Read percentile output as HdrHistogram's plotter does: lines that aren't comments, cut at spaces."""
    rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert rows[0] == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    for row in rows[1:-1]:
        assert float(row[3]) == pytest.approx(1 / (1 - float(row[1])), rel=0.01)
    assert len(rows[-1]) == 3
    return [(float(row[0]), float(row[1]), int(row[2])) for row in rows[1:]]


def test_hgrm_is_merged_over_rounds(tmp_path: Path) -> None:
    trials = [
        trial(milliseconds=range(1, 501)),
        trial(number=2, milliseconds=range(501, 1_001)),
        replace(trial(milliseconds=[7]), point={"readers": 100}, kind="broadcast"),
        trial("no/where", milliseconds=[5]),
        trial("empty", goodput=1.0),
    ]
    paths = write_hgrm(tmp_path / "new", trials)
    assert [path.name for path in paths] == [
        "load-sse-latency.hgrm",
        "broadcast-readers=100-sse-latency.hgrm",
        "load-no_where-latency.hgrm",
    ]
    text = paths[0].read_text()
    rows = plotted(text)
    values, shares, counts = zip(*rows, strict=True)
    assert rows[0][1] == 0
    assert rows[-1][1:] == (1, 1_000)
    assert values[-1] == pytest.approx(1_000, rel=0.001)
    assert [*values] == sorted(values)
    assert [*counts] == sorted(counts)
    assert next(value for value, share, _ in rows if share >= 0.9) == pytest.approx(900, rel=0.03)
    for value, share, count in rows:
        assert count / 1_000 >= share
        assert count == pytest.approx(value, rel=0.002, abs=1)
    assert max(shares) == 1
    mean, deviation = (float(part.partition("=")[2].strip(" ]")) for part in text.splitlines()[-3].split(","))
    assert mean == pytest.approx(500.5, rel=0.001)
    assert deviation == pytest.approx(288.7, rel=0.001)
    assert "Total count    =         1000" in text


def test_hgrm_does_not_flatter(tmp_path: Path) -> None:
    trials = [
        trial(milliseconds=[1]),
        replace(trial(number=2, milliseconds=[1]), correctness=Correctness(lost=1)),
        trial("ws", milliseconds=[1]),
        replace(trial("ws", number=2, milliseconds=[1]), overloaded=True),
    ]
    assert not write_hgrm(tmp_path, trials)
    assert not [*tmp_path.iterdir()]
    with pytest.raises(ValueError, match="empty"):
        Histogram().hgrm()


def test_figures_over_trials() -> None:
    """Percentiles are of the merged histogram, and supported by all samples together; others are medians."""
    trials = [
        trial(number=1, milliseconds=range(1, 601), goodput=1.0),
        trial(number=2, milliseconds=[9] * 600, goodput=9.0, rate=5.0),
        trial(number=3, milliseconds=[9] * 300, goodput=2.0, rate=5.0),
    ]
    assert over_trials(trials) == {
        "latency_p50_ms": pytest.approx(9, rel=0.001),
        "latency_p90_ms": pytest.approx(450, rel=0.001),
        "latency_p99_ms": pytest.approx(585, rel=0.001),
        "latency_max_ms": pytest.approx(600, rel=0.001),
        "goodput": 2.0,
    }


LATENCY = {"latency_p50_ms": 10.0}


@pytest.mark.parametrize(
    ("milliseconds", "fault"),
    [
        ([9] * 40, ""),
        ([9] * 39 + [99], ""),  # it is the median that has a limit
        ([12] * 40, "sse, load: latency_p50_ms: it is 12.0013; the limit is at most 10 ms"),
        ([9] * 5, "sse, load: latency_p50_ms: not known, or not from samples enough; the limit is at most 10 ms"),
    ],
)
def test_a_limit(milliseconds: list[int], fault: str) -> None:
    (found,) = check(LATENCY, [trial(milliseconds=milliseconds, latency_p50_ms=1.0)])
    assert (found.lane, found.metric, found.limit, found.seconds) == ("sse", "latency_p50_ms", 10.0, 1.5)
    assert found.fault == fault


def test_a_limit_from_below() -> None:
    fast, slow = check({"goodput": 100}, [trial(goodput=100.0), trial("ws", goodput=99.0)])
    assert not fast.fault
    assert slow.fault == "ws, load: goodput: it is 99; the limit is at least 100 events/s"


def test_refused_and_overloaded_lanes_miss_their_limits() -> None:
    good = trial(milliseconds=[1] * 40, latency_p50_ms=1.0, goodput=100.0)
    trials = [
        good,
        replace(good, lane="ws", correctness=Correctness(lost=2)),
        replace(good, lane="poll", overloaded=True),
    ]
    faults = {(found.metric, found.lane): found.fault for found in check({**LATENCY, "goodput": 50}, trials)}
    assert faults == {
        ("latency_p50_ms", "sse"): "",
        ("latency_p50_ms", "ws"): "ws, load: latency_p50_ms: round 1 was refused: 2 lost",
        ("latency_p50_ms", "poll"): "poll, load: latency_p50_ms: round 1 was overloaded, so there is no latency",
        ("goodput", "sse"): "",
        ("goodput", "ws"): "ws, load: goodput: round 1 was refused: 2 lost",
        ("goodput", "poll"): "",
    }


def test_limits_hold_where_the_metric_was_measured() -> None:
    trials = [
        replace(trial(goodput=5.0), kind="broadcast", point={"readers": 10}),
        replace(trial(goodput=3.0), kind="broadcast", point={"readers": 20}),
        replace(trial(), kind="saturated"),
    ]
    assert [(found.kind, found.point, bool(found.fault)) for found in check({"goodput": 4}, trials)] == [
        ("broadcast", {"readers": 10}, False),
        ("broadcast", {"readers": 20}, True),
    ]
    nowhere = check({"rate": 4}, trials)
    assert len(nowhere) == 3
    assert all("not known" in found.fault for found in nowhere)


def test_junit() -> None:
    run = replace(header(), command="streamlanes compare \x00tokens")
    trials = [
        trial(goodput=100.0),
        replace(trial("ws"), correctness=Correctness(failures=("reader said \x1b<&>",))),
    ]
    root = ET.fromstring(junit(run, check({"goodput": 50}, trials)))  # noqa: S314  # we wrote it
    (suite,) = root
    assert root.tag == "testsuites"
    # Required, and in this order, by the schemas that `junit` names.
    assert [child.tag for child in suite] == ["properties", "testcase", "testcase", "system-out", "system-err"]
    assert suite.attrib == {
        "name": "tokens", "package": "streamlanes", "id": "0", "hostname": "localhost",
        "timestamp": "2026-01-01T00:00:00", "tests": "2", "failures": "1", "errors": "0", "time": "3.000",
    }  # fmt: skip
    good, bad = suite.findall("testcase")
    assert good.attrib == {"classname": "tokens.load.sse", "name": "goodput >= 50", "time": "1.500"}
    assert not [*good]
    (failure,) = bad
    assert failure.tag == "failure"
    assert failure.get("type") == "slo"
    assert (
        failure.get("message")
        == failure.text
        == ("ws, load: goodput: round 1 was refused: reader said \N{REPLACEMENT CHARACTER}<&>")
    )
