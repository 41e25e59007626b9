"""Service level objectives: the scenario's limits by metric, held against every lane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.report.comparison import places, where
from streamlanes.benchmarks.report.rows import over_trials
from streamlanes.benchmarks.spec.metrics import METRICS, Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One limit, one lane, one point of one kind of trial."""

    kind: str
    point: Mapping[str, float]
    lane: str
    metric: str
    limit: float
    value: float | None
    """Value over all of the lane's trials; None if it isn't known, or a trial was refused or overloaded."""
    fault: str
    """Why it isn't met; empty if it is."""
    seconds: float
    """Seconds that were measured."""


def check(slo: Mapping[str, float], results: Sequence[Result]) -> list[Check]:
    """Hold every lane to every limit, wherever the metric was measured on any lane.

    A lane fails where it misses the limit, where a trial was refused or, for latencies, overloaded, and where its
    figure isn't known: what wasn't shown isn't met. A metric that was measured on no lane at all fails for each lane.
    Raises KeyError for a name that isn't a metric's.
    """
    found: list[Check] = []
    for name, limit in slo.items():
        metric = METRICS[name]
        kinds = {place.kind for place, _ in places(results, [name])} or {result.kind for result in results}
        lanes: dict[tuple[str, tuple[tuple[str, float], ...], str], list[Result]] = {}
        for result in results:
            if result.kind in kinds:
                point = tuple(sorted(result.point.items()))
                lanes.setdefault((result.kind, point, result.lane), []).append(result)
        found += [_check(metric, limit, trials) for trials in lanes.values()]
    return found


def _check(metric: Metric, limit: float, trials: Sequence[Result]) -> Check:
    first = trials[0]
    value: float | None = None
    refused = [trial for trial in trials if not trial.correctness.ok]
    overloaded = [trial for trial in trials if trial.overloaded and metric.of_latency]
    if refused:
        fault = f"round {refused[0].round} was refused: {refused[0].correctness.faults()}"
    elif overloaded:
        fault = f"round {overloaded[0].round} was overloaded, so there is no latency"
    else:
        value = over_trials(trials).get(metric.name)
        fault = _fault(metric, limit, value)
    return Check(
        kind=first.kind,
        point=first.point,
        lane=first.lane,
        metric=metric.name,
        limit=limit,
        value=value,
        fault=f"{first.lane}, {where(first.kind, first.point)}: {metric.name}: {fault}" if fault else "",
        seconds=sum(trial.window_ns for trial in trials) / 1e9,
    )


def _fault(metric: Metric, limit: float, value: float | None) -> str:
    bound = f"{'at least' if metric.better == 'higher' else 'at most'} {limit:g} {metric.unit}".rstrip()
    if value is None:
        return f"not known, or not from samples enough; the limit is {bound}"
    met = value >= limit if metric.better == "higher" else value <= limit
    return "" if met else f"it is {value:g}; the limit is {bound}"
