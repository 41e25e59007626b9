"""Two runs against each other: before and after a change, lane by lane and metric by metric.

Rounds of two runs have nothing in common, so there are no pairs: Welch's t on logarithms, and Holm over all of them.
What differs from run to run but not from round to round (where memory lies, what else the machine did that day) isn't
in the intervals (T. Kalibera, R. Jones, ISMM 2013); the margin is there for it, and a second pair of runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Final

from streamlanes.benchmarks.analysis import statistics
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment.results import Header, Run
from streamlanes.benchmarks.report.comparison import (
    COMPARED,
    Candidate,
    Comparison,
    Measurement,
    decide,
    left_out,
    noises,
    places,
    series,
    where,
)
from streamlanes.benchmarks.spec.role import Role

OF_THE_RUN: Final = frozenset({"boot_id", "time_namespace", "packages.streamlanes"})
"""Fields of the environment that are another in each run, and the version of what is under test."""
NOT_LOAD: Final = frozenset({"name", "about", "lanes", "slo", "rounds"})
"""Settings of the scenario that a lane's figures of one round don't depend on."""

FAULTS: Final = ("", "overloaded", "refused")
"""States of a trial, from good to bad."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What the second run, B, is against the first, A."""

    entries: tuple[Comparison, ...]
    """`lane` and `reference` have the same name: the first is B's, the second A's."""
    broken: tuple[str, ...]
    """A line for each lane that was refused or overloaded in the second run and wasn't in the first."""
    left_out: tuple[str, ...]
    """A line for each trial and metric that takes part in no comparison."""

    @property
    def is_worse(self) -> bool:
        """Whether anything is worse: a verdict, or a lane that no longer delivers."""
        return bool(self.broken) or any(entry.verdict == "worse" for entry in self.entries)


def unlike(before: Header, after: Header) -> list[str]:
    """Return a line for each field in which two runs' environments or loads differ; none: they can be compared."""
    one, other = dict(_fields(before)), dict(_fields(after))
    return [
        f"{name}: {one.get(name, 'absent')} | {other.get(name, 'absent')}"
        for name in dict.fromkeys([*one, *other])
        if one.get(name) != other.get(name)
    ]


def difference(before: Run, after: Run, metrics: Sequence[str] = COMPARED) -> Difference:
    """Compare every lane and metric that both runs have. The margin is that of the noisier run."""
    earlier = dict(places(before.results, metrics))
    later = dict(places(after.results, metrics))
    family: list[Candidate] = []
    faults: dict[str, list[str]] = {}
    for place in dict.fromkeys([*earlier, *later]):
        sides = [side.get(place, ()) for side in (earlier, later)]
        names = [{trial.lane for trial in side if trial.role is not Role.AGAIN} for side in sides]
        for lane in sorted(names[0] | names[1]):
            try:
                family.append(_candidate(place, lane, sides[0], sides[1]))
            except ValueError as error:
                faults.setdefault(f"{place}, {lane}: {error}", []).append(place.metric.name)
    again = [*noises(before.results, metrics), *noises(after.results, metrics)]
    return Difference(
        entries=tuple(decide(family, again)),
        broken=tuple(_broken(before.results, after.results)),
        left_out=(
            *(f"A: {line}" for line in left_out(before.results)),
            *(f"B: {line}" for line in left_out(after.results)),
            *(f"{fault}: {', '.join(names)}" for fault, names in faults.items()),
        ),
    )


def _candidate(place: Measurement, lane: str, before: Sequence[Result], after: Sequence[Result]) -> Candidate:
    """Raises ValueError if a run has too few rounds, or figures without a ratio."""
    first, second = (series(trials, lane, place.metric) for trials in (before, after))
    values = [*second.values.values()], [*first.values.values()]
    return Candidate(
        place=place,
        lane=lane,
        reference=lane,
        rounds=min(len(side) for side in values),
        estimate=statistics.unpaired(*values),
        medians=(median(values[0]), median(values[1])),
        complete=first.complete and second.complete,
    )


def _broken(before: Sequence[Result], after: Sequence[Result]) -> Iterator[str]:
    earlier, later = _worst(before), _worst(after)
    for (at, lane), fault in later.items():
        known = earlier.get((at, lane), 0)
        if fault > known:
            yield f"{lane}, {at}: {FAULTS[fault]} in B, {FAULTS[known] or 'and not'} in A"


def _worst(results: Sequence[Result]) -> dict[tuple[str, str], int]:
    """Return the worst that happened to each lane, as an index of FAULTS."""
    worst: dict[tuple[str, str], int] = {}
    for result in results:
        at = where(result.kind, result.point), result.of_lane if result.role is Role.AGAIN else result.lane
        fault = "refused" if not result.correctness.ok else "overloaded" if result.overloaded else ""
        worst[at] = max(worst.get(at, 0), FAULTS.index(fault))
    return worst


def _fields(header: Header) -> Iterator[tuple[str, str]]:
    """Yield what must be the same in two runs, by its dotted name."""
    for name, value in _leaves(asdict(header.environment)):
        if name not in OF_THE_RUN:
            yield name, value
    for name, value in _leaves(asdict(header.scenario)):
        if not NOT_LOAD & {*name.split(".")}:
            yield f"scenario.{name}", value
    yield "text", str(header.text_sha256)
    if header.trace is not None:
        yield from ((f"trace.{name}", value) for name, value in _leaves(asdict(header.trace)) if name != "file")


def _leaves(tree: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)
