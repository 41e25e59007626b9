"""From trials to the rows of a report: a lane at a point, its figures over all rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from benchmarks.figures import percentiles
from benchmarks.gate import Verdict, total
from benchmarks.histogram import Histogram
from benchmarks.metrics import METRICS
from benchmarks.results import FLOOR, Result
from benchmarks.workload import Point

COST: Final = "server_us_per_event"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A lane in one kind of trial, at one point of a sweep."""

    lane: str
    kind: str
    point: Point
    trials: int
    events: int
    readers: int
    verdict: Verdict
    overloaded: bool
    """In one trial at least: the lane has no latency then, since that of its other trials would flatter it."""
    figures: Mapping[str, float]
    """By metric: percentiles are those of all trials' deliveries together, anything else is the median trial's."""


def rows(results: Sequence[Result], kind: str, lanes: Sequence[str] | None = None) -> list[Row]:
    """Return a row for each point and lane that has trials of *kind*; points ascending, lanes in the order given.

    Without *lanes*, all there are, in the order of their first trials' names. A lane with a trial that isn't correct
    has no figures at all: those of its other trials would flatter it.
    """
    of_kind = [result for result in results if result.kind == kind]
    names = lane_names(of_kind) if lanes is None else lanes
    points = sorted({tuple(result.point.items()) for result in of_kind})
    found: list[Row] = []
    for point in points:
        at = [
            _row(lane, kind, dict(point), trials)
            for lane in names
            if (trials := [one for one in of_kind if one.lane == lane and tuple(one.point.items()) == point])
        ]
        floor = next((row.figures.get(COST) for row in at if row.lane == FLOOR), None)
        found += [_over_floor(row, floor) for row in at] if floor else at
    return found


def _over_floor(row: Row, floor: float) -> Row:
    if COST not in row.figures:
        return row
    return replace(row, figures={**row.figures, "server_x_floor": row.figures[COST] / floor})


def lane_names(results: Sequence[Result]) -> list[str]:
    """Return the rows that there are, each once."""
    return list(dict.fromkeys(result.lane for result in results))


def _row(lane: str, kind: str, point: Point, trials: Sequence[Result]) -> Row:
    verdict = total([trial.verdict for trial in trials])
    overloaded = any(trial.overloaded for trial in trials)
    return Row(
        lane=lane,
        kind=kind,
        point=point,
        trials=len(trials),
        events=sum(trial.events for trial in trials),
        readers=sum(trial.readers for trial in trials),
        verdict=verdict,
        overloaded=overloaded,
        figures=_figures(trials) if verdict.ok else {},
    )


def _figures(trials: Sequence[Result]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for metric in METRICS.values():
        values = [trial.figures[metric.name] for trial in trials if metric.name in trial.figures]
        if metric.histogram is None and len(values) == len(trials):
            figures[metric.name] = median(values)
    for name in {name for trial in trials for name in trial.histograms}:
        of_trials = [trial for trial in trials if name in trial.histograms]
        if len(of_trials) == len(trials):
            histogram = merged(of_trials, name)
            figures |= percentiles(name, histogram, sum(trial.samples[name] for trial in of_trials))
    return figures


def merged(trials: Sequence[Result], name: str) -> Histogram:
    """Return one histogram of all trials' deliveries: percentiles are never averaged."""
    return Histogram.merged(trial.histograms[name] for trial in trials)
