"""From trials to verdicts, on data of which the truth is known."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest

from streamlanes.benchmarks.analysis.gate import Correctness
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.report.comparison import COMPARED, Comparison, compare, where
from streamlanes.benchmarks.spec.metrics import METRICS
from tests.benchmarks.synthetic import run

P50 = "latency_p50_ms"
LANES = ("sse", "ws")


def only(results: list[Result], lanes: tuple[str, ...] = LANES, lane: str = "ws", metric: str = P50) -> Comparison:
    (found,) = (c for c in compare(results, lanes).entries if (c.lane, c.metric) == (lane, metric))
    return found


def test_the_catalogue() -> None:
    assert {*COMPARED} <= METRICS.keys()
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.meaning.endswith(".")
        if metric.histogram is not None:
            histogram, percentile = metric.histogram
            rank = "max" if percentile == 100 else f"p{percentile:g}".replace(".", "")
            assert name == f"{histogram}_{rank}_ms"
    assert {name for name, metric in METRICS.items() if metric.better == "higher"} == {
        *("goodput", "in_time", "rate", "sustainable_rate")
    }


@pytest.mark.parametrize(
    ("level", "noise", "verdict"),
    [
        (1.0, 0.01, "equivalent"),
        (1.2, 0.02, "worse"),
        (1 / 1.2, 0.02, "better"),
        (1.1, 0.005, "worse"),
        (1.05, 0.01, "undecided"),  # it is 5 % more, and 5 % is the margin
        (1.0, 0.2, "undecided"),
    ],
)
def test_a_lane_of_known_level(level: float, noise: float, verdict: str) -> None:
    found = only(run({"sse": 3.0, "ws": 3.0 * level}, noise=noise))
    assert found.verdict == verdict
    assert found.low < level < found.high
    assert found.rounds == 10
    assert found.margin == pytest.approx(0.05)


def test_five_percent_apart_is_a_difference() -> None:
    """And beyond a margin of 2 %, were that the margin; the round's mood, of 30 %, isn't in the way."""
    found = only(run({"sse": 3.0, "ws": 3.15}, noise=0.01))
    assert found.p_adjusted < 0.001
    assert found.low > 1.02


def test_more_of_a_rate_is_better() -> None:
    found = only(run({"sse": 3.0, "ws": 3.6}, metrics=["rate"]), metric="rate")
    assert found.verdict == "better"
    assert found.ratio == pytest.approx(1.2, rel=0.02)
    assert found.ratio == pytest.approx(found.median_lane / found.median_reference, rel=0.02)


def test_a_lane_against_itself_is_mostly_equivalent() -> None:
    verdicts = Counter(
        only(run({"sse": 3.0, "sse~again": 3.0}, noise=0.02, seed=seed), lane="sse~again").verdict
        for seed in range(200)
    )
    assert verdicts["equivalent"] > 190
    assert not verdicts["better"] + verdicts["worse"]


def test_equal_lanes_are_seldom_called_better_or_worse() -> None:
    """Noise beyond the margin: of 100 reports of 4 x 4 comparisons, 5 % may have a false one, and 3 deviations."""
    metrics = ("latency_p50_ms", "latency_p99_ms", "goodput", "server_us_per_event")
    wrong = 0
    for seed in range(100):
        lanes = dict.fromkeys(("sse", "sse~again", "ws", "poll", "ndjson", "other"), 3.0)
        family = [
            entry
            for entry in compare(run(lanes, noise=0.1, metrics=metrics, seed=seed), [*lanes]).entries
            if not entry.against_itself
        ]
        assert len(family) == 16
        wrong += any(entry.verdict in {"better", "worse"} for entry in family)
    assert wrong <= 100 * (0.05 + 3 * math.sqrt(0.05 * 0.95 / 100))


def test_the_margin_is_what_a_lane_differs_by_from_itself() -> None:
    levels = {"sse": 3.0, "sse~again": 3.0 * 1.15, "ws": 3.0 * 1.12}
    found = only(run(levels, noise=0.005))
    assert 0.15 < found.margin < 0.17
    assert found.verdict == "equivalent"
    again = only(run(levels, noise=0.005), lane="sse~again")
    assert (again.reference, again.verdict) == ("sse", "worse")
    assert again.margin == pytest.approx(0.05)


def test_the_margin_is_of_the_metric_the_kind_and_the_point() -> None:
    levels = {"sse": 3.0, "ws": 3.0}
    results = [
        *run({**levels, "sse~again": 3.6}, metrics=["latency_p50_ms"]),
        *run(levels, metrics=["latency_p99_ms"]),
        *run(levels, kind="broadcast", point={"readers": 100}),
        *run({**levels, "sse~again": 3.6}, kind="broadcast", point={"readers": 10}),
    ]
    margins = {(c.metric, where(c.kind, c.point)): c.margin for c in compare(results, LANES).entries if c.lane == "ws"}
    assert margins == {
        ("latency_p50_ms", "load"): pytest.approx(0.21, abs=0.02),
        ("latency_p99_ms", "load"): pytest.approx(0.05),
        ("latency_p50_ms", "broadcast at readers=100"): pytest.approx(0.05),
        ("latency_p50_ms", "broadcast at readers=10"): pytest.approx(0.21, abs=0.02),
    }


def test_a_lane_against_itself_is_none_of_the_family() -> None:
    lanes = {"sse": 3.0, "ws": 3.05}
    alone = only(run(lanes))
    again = [replace(trial, lane="sse~again") for trial in run({"sse": 3.0}, seed=2)]
    assert only([*run(lanes), *again]).p_adjusted == alone.p_adjusted


def test_each_comparison_makes_the_others_wider() -> None:
    results = run({"sse": 3.0, "ws": 3.0})
    alone = only(results)
    with_more = only(results + [replace(trial, lane="poll") for trial in run({"ws": 3.0}, seed=5)], (*LANES, "poll"))
    assert with_more.high - with_more.low > alone.high - alone.low


def test_fewer_than_ten_rounds_have_no_verdict() -> None:
    for rounds in (2, 3, 9):
        found = only(run({"sse": 3.0, "ws": 9.0}, rounds=rounds))
        assert found.verdict == "preliminary"
        assert found.low < 3 < found.high
    assert only(run({"sse": 3.0, "ws": 9.0}, rounds=10)).verdict == "worse"


def test_one_round_cannot_be_compared() -> None:
    compared = compare(run({"sse": 3.0, "ws": 9.0}, rounds=1, metrics=["goodput", "rate"]), LANES)
    assert not compared.entries
    assert compared.left_out == ("load, ws against sse: an interval needs 2 rounds, and there are 1: goodput, rate",)


def test_refused_trials_are_not_compared_and_named() -> None:
    results = run({"sse": 3.0, "ws": 3.0}, rounds=12)
    bad = next(trial for trial in results if (trial.lane, trial.round) == ("ws", 4))
    results[results.index(bad)] = replace(bad, correctness=Correctness(lost=3), figures={P50: 1e9})
    compared = compare(results, LANES)
    (found,) = compared.entries
    assert found.rounds == 11
    assert found.high < 1.05
    assert found.verdict == "incomplete"  # the rounds that went well would flatter it
    assert compared.left_out == ("ws, load, round 4: refused, so not compared: 3 lost (raw/load-4-ws)",)


def test_overloaded_trials_have_no_latency_and_all_else() -> None:
    metrics = ["latency_p50_ms", "server_us_per_event"]
    results = run({"sse": 3.0, "ws": 3.0}, rounds=11, metrics=metrics)
    results[1] = replace(results[1], overloaded=True, figures={**results[1].figures, P50: 1e9})
    compared = compare(results, LANES)
    assert {entry.metric: (entry.rounds, entry.verdict) for entry in compared.entries} == {
        "latency_p50_ms": (10, "incomplete"),
        "server_us_per_event": (11, "equivalent"),
    }
    assert compared.left_out == ("ws, load, round 1: overloaded, so its latency isn't compared (raw/load-1-ws)",)


def test_a_figure_without_a_ratio() -> None:
    results = [
        replace(trial, figures={"resent": 0.0, "goodput": 5.0}) for trial in run({"sse": 3.0, "ws": 3.0}, rounds=10)
    ]
    compared = compare(results, LANES)
    assert [entry.metric for entry in compared.entries] == ["goodput"]
    assert compared.entries[0].verdict == "equivalent"
    assert compared.left_out == ("load, ws against sse: a figure of 0 has no ratio to another: resent",)


def test_pairs_are_of_the_same_round() -> None:
    """The rounds' mood is 30 %; were the pairs mixed up it would be in the ratios."""
    results = run({"sse": 3.0, "ws": 3.0}, noise=0.001)
    found = only(results[::-1])
    assert found.high / found.low < 1.01


def test_the_reference() -> None:
    results = run({"sse": 3.0, "ws": 6.0, "poll": 9.0})
    lanes = ("sse", "ws", "poll")
    assert [(c.lane, c.reference) for c in compare(results, lanes).entries] == [("ws", "sse"), ("poll", "sse")]
    by_poll = compare(results, lanes, "poll").entries
    assert [(c.lane, c.reference, round(c.ratio, 1)) for c in by_poll] == [("sse", "poll", 0.3), ("ws", "poll", 0.7)]
    with pytest.raises(ValueError, match="no lane 'floor' to compare with; there are sse, ws, poll"):
        compare(results, lanes, "floor")


def test_two_rounds_far_apart_say_nothing() -> None:
    results = run({"sse": 3.0, "ws": 3.0}, rounds=2)
    results[1] = replace(results[1], figures={P50: 1e300})
    found = only(results)
    assert (found.low, found.high) == (0.0, math.inf)
