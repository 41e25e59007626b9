"""From trials to the rows of a report: a lane at a point, its figures over all rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final, Protocol, TypeVar

from streamlanes.benchmarks.analysis.figures import percentiles
from streamlanes.benchmarks.analysis.gate import Correctness, total
from streamlanes.benchmarks.analysis.histogram import Histogram
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.spec.metrics import METRICS
from streamlanes.benchmarks.spec.role import Role
from streamlanes.benchmarks.spec.workload import Point

COST: Final = "server_us_per_event"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A lane in one kind of trial, at one point of a sweep."""

    lane: str
    reader: str
    """What reads it: the wire, or the client library."""
    role: Role
    kind: str
    point: Point
    trials: int
    events: int
    readers: int
    correctness: Correctness
    overloaded: bool
    """Whether one trial at least was: the lane has no latency then, since that of its other trials would flatter it."""
    figures: Mapping[str, float]
    """Values by metric: percentiles are those of all trials' deliveries together, anything else is the median
    trial's."""


def rows(results: Sequence[Result], kind: str, lanes: Sequence[str] | None = None) -> list[Row]:
    """Return a row for each point and lane that has trials of *kind*; points ascending, lanes in the order given.

    Without *lanes*, all there are, in the order of their first trials' names. A lane with a trial that isn't correct
    has no figures at all: those of its other trials would flatter it.
    """
    of_kind = [result for result in results if result.kind == kind]
    names = lane_names(of_kind) if lanes is None else lanes
    points = sorted({tuple(result.point.items()) for result in of_kind})
    found = [
        _row(lane, kind, dict(point), trials)
        for point in points
        for lane in names
        if (trials := [one for one in of_kind if one.lane == lane and tuple(one.point.items()) == point])
    ]
    return [_over_the_floor(row, found) for row in found]


def _over_the_floor(row: Row, found: Sequence[Row]) -> Row:
    """Add to *row*, if a floor is at the same point, what multiple of it the lane's cost is."""
    cost = row.figures.get(COST)
    floor = floor_of(row, [one for one in found if one.role is Role.FLOOR and one.point == row.point])
    below = None if floor is None else floor.figures.get(COST)
    if cost is None or not below:
        return row
    return replace(row, figures={**row.figures, "floor_multiple": cost / below})


class _Read(Protocol):
    @property
    def reader(self) -> str: ...


R = TypeVar("R", bound=_Read)


def floor_of(one: _Read, floors: Sequence[R]) -> R | None:
    """Return the floor that *one* is held against: that of its own wire or, if that wasn't measured, the first."""
    return next((floor for floor in floors if floor.reader == one.reader), floors[0] if floors else None)


def lane_names(results: Sequence[Result]) -> list[str]:
    """Return the rows that there are, each once."""
    return list(dict.fromkeys(result.lane for result in results))


def _row(lane: str, kind: str, point: Point, trials: Sequence[Result]) -> Row:
    correctness = total([trial.correctness for trial in trials])
    overloaded = any(trial.overloaded for trial in trials)
    return Row(
        lane=lane,
        reader=trials[0].reader,
        role=trials[0].role,
        kind=kind,
        point=point,
        trials=len(trials),
        events=sum(trial.events for trial in trials),
        readers=sum(trial.readers for trial in trials),
        correctness=correctness,
        overloaded=overloaded,
        figures=over_trials(trials) if correctness.ok else {},
    )


def over_trials(trials: Sequence[Result]) -> dict[str, float]:
    """Return each metric of one lane over *trials*: of the merged histogram where it is a percentile, else the median.

    A metric that one of the trials lacks is absent, as is a percentile that all their samples together don't support.
    """
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
