"""From results to what the page shows."""

from __future__ import annotations

import math
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from streamlanes.benchmarks.analysis.gate import Correctness
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment import results
from streamlanes.benchmarks.report.comparison import Comparisons, compare
from streamlanes.benchmarks.report.html.model import Report
from streamlanes.benchmarks.report.html.numbers import number, times
from streamlanes.benchmarks.report.html.view import view
from tests.benchmarks.report.html import synthetic

NOTHING = Comparisons(entries=(), left_out=())


def test_words(report: Report) -> None:
    finding = report.finding
    assert finding.headline.startswith("Against sse, ")
    assert (
        "poll, sse-usual and poll-single are worse on" in finding.headline or "poll and sse-usual" in finding.headline
    )
    assert "poll-single in 1 of 100 trials" in finding.headline
    ndjson = next(lane for lane in finding.lanes if lane.lane == "ndjson")
    assert not ndjson.worse
    assert "bytes down per event" in ndjson.equivalent
    assert any("poll-single with 1,000" in detail for detail in finding.details)
    assert any(said.startswith("What a deployment's network adds") for said in finding.not_said)
    assert report.refused == ("poll-single, under load, round 7: 12 lost (raw/load-07-poll-single)",)


def test_words_agree_with_the_first_table(report: Report) -> None:
    (load, *_) = report.comparisons
    for standing in report.finding.lanes:
        for group in load.groups:
            row = next(row for row in group.rows if row.lane == standing.lane)
            name = group.title if group.title.startswith("p9") else group.title[:1].lower() + group.title[1:]
            assert (name in standing.better) == (row.judgement == "better"), (standing, name)
            assert (name in standing.worse) == (row.judgement == "worse"), (standing, name)


def test_no_verdict_of_few_rounds(run: list[Result]) -> None:
    few = [result for result in run if result.round <= 3]
    shown = view(synthetic.header(), few, compare(few, synthetic.LANES), ())
    assert shown.finding.headline.startswith("No verdict: 3 rounds were run and 10 are needed")
    assert not shown.finding.lanes


def test_a_lane_alone() -> None:
    alone = [synthetic.result("load", "sse", 1, figures={"latency_p50_ms": 1.0})]
    shown = view(synthetic.header(), alone, compare(alone, ("sse",)), ())
    assert shown.finding.headline.startswith("Nothing could be compared")
    ((row,),) = [group.rows for group in shown.comparisons[0].groups]
    assert (row.lane, row.median, row.ratio, row.judgement) == ("sse", "1.00", None, None)


def test_a_line_ends_where_samples_do(run: list[Result]) -> None:
    load = [result for result in run if result.kind == "load"]
    few = [replace(result, samples={"latency": 120}) if result.lane == "ws" else result for result in load]
    (spread,) = view(synthetic.header(), few, NOTHING, ()).spreads
    ends = {line.lane: line.x[-1] for line in spread.spectrum}
    assert 99 <= ends["ws"] < 99.2  # 1,200 samples
    assert 99.9 < ends["sse"] < 99.99  # 40,400
    assert spread.deadline_ms == 5


def test_refused_and_overloaded_trials_have_no_part_in_distributions(run: list[Result]) -> None:
    load = [result for result in run if result.kind == "load"]
    bad = [
        replace(result, correctness=Correctness(lost=1)) if result.lane == "ws" else
        replace(result, overloaded=True) if result.lane == "poll" else result
        for result in load
    ]  # fmt: skip
    shown = view(synthetic.header(), bad, compare(bad, synthetic.LANES), ())
    lanes = {line.lane for spread in shown.spreads for line in (*spread.spectrum, *spread.ecdf)}
    assert "sse" in lanes
    assert not lanes & {"ws", "poll"}
    assert not {of.lane for heats in shown.heats for of in heats.maps} & {"ws", "poll"}
    rows = {row.lane: row for group in shown.comparisons[0].groups for row in group.rows if "latency" in group.title}
    assert (rows["ws"].median, rows["ws"].remark) == ("", "refused")
    assert (rows["poll"].median, rows["poll"].remark) == ("", "overloaded")
    assert any("poll in 10 of 10 trials" in detail for detail in shown.finding.details)
    cpu = next(cost for cost in shown.costs if "CPU" in cost.title)
    assert {"poll"} <= {bar.lane for bar in cpu.bars}, "what an overloaded lane costs is known"
    assert "ws" not in {bar.lane for bar in cpu.bars}


def test_a_sweep_and_its_knees(report: Report) -> None:
    (sweep,) = report.sweeps
    assert sweep.x_title == "deliveries per second offered"
    knees = {lane: max(load for load in synthetic.LOADS if load <= synthetic.LIMIT[lane]) for lane in synthetic.LANES}
    assert dict(sweep.knees) == knees
    over = {line.lane: min(line.x) for line in sweep.overloaded}
    assert all(over[lane] == 2 * knee for lane, knee in knees.items())


def test_heats_are_added(run: list[Result], report: Report) -> None:
    (heats,) = report.heats
    added = next(of.heat for of in heats.maps if of.lane == "ws")
    counted = [result.heat for result in run if result.kind == "load" and result.lane == "ws"]
    assert sum(map(sum, added.counts)) == sum(sum(map(sum, heat.counts)) for heat in counted if heat is not None)


def test_it_can_be_redone(run: list[Result], report: Report, tmp_path: Path) -> None:
    header = synthetic.header()
    settings = tomllib.loads(report.redo.scenario)
    assert (settings["seed"], settings["lanes"]) == (header.scenario.seed, list(header.scenario.lanes))
    assert settings["load"] == header.scenario.parts["load"]
    results.create(tmp_path, header)
    for result in run:
        results.append(tmp_path, result)
    done = subprocess.run(
        [sys.executable, "-c", report.redo.recompute], cwd=tmp_path, capture_output=True, text=True, timeout=50,
        check=True,
    )  # fmt: skip
    line = next(line for line in report.spreads[0].spectrum if line.lane == "sse")
    shown = dict(zip(line.x, line.y, strict=True))
    again = [float(value) for value in done.stdout.strip().removesuffix("] ms").removeprefix("[").split(",")]
    assert again == [pytest.approx(shown[at], rel=1e-3) for at in (50.0, 90.0, 99.0)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.01234, "0.0123"),
        (1.234, "1.23"),
        (9.999, "10.0"),
        (99.99, "100"),
        (1_234_567, "1,230,000"),
        (-2.5, "-2.50"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_ratios() -> None:
    assert [times(ratio) for ratio in (0.0042, 0.97, 12.34, math.inf)] == ["0.00420", "0.97", "12.3", ">1,000"]
