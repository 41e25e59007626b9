"""From trials to what may be said of a lane against another: paired by round, within one kind of trial and one point.

A report's family, for Holm, is all of its comparisons of lanes. The A/A (a lane that is entered twice, `sse` and
`sse~again`) isn't one of them: it is the harness's check of itself and what margins are made of, and a check that is
corrected for many comparisons would see less, not more. So it has its own p, a plain 95 % interval and the margin of
5 %; a margin made of itself would always pass it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import exp, inf
from statistics import median
from typing import Final, Literal, TypeAlias

from streamlanes.benchmarks.analysis import statistics
from streamlanes.benchmarks.analysis.caveats import ROUNDS_FOR_A_VERDICT
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.analysis.statistics import ALPHA, MARGIN, Decision, Estimate, Step
from streamlanes.benchmarks.spec.metrics import ENGINE, METRICS, Metric
from streamlanes.benchmarks.spec.role import Role
from streamlanes.benchmarks.spec.workload import told

COMPARED: Final = (
    "latency_p50_ms", "latency_p90_ms", "latency_p99_ms", "latency_p999_ms", "latency_max_ms", "goodput",
    "server_us_per_event", "rate", "first_event_p50_ms", "first_event_p99_ms", "connect_p50_ms", "rtt_p50_ms",
    "rtt_p99_ms", "sustainable_rate", "bytes_down_per_event", "bytes_up_per_event", "segments_per_event",
    "idle_bytes_per_reader", "idle_slab_bytes_per_reader", "wakeups_per_reader", "recovery_p50_ms", "recovery_max_ms",
    "resent", "reconnect_peak",
)  # fmt: skip
"""Each comparison makes the others' intervals wider: not what goodput says already, nor what is no lane's."""

Verdict: TypeAlias = Decision | Literal["preliminary", "incomplete"]
"""The last two are no verdicts: fewer than 10 rounds; or trials left out, of which those that remain would flatter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One metric of a lane against that of its reference."""

    kind: str
    point: Mapping[str, float]
    metric: str
    lane: str
    reference: str
    against_itself: bool
    """Whether the two are the same lane in the same run (A/A)."""
    rounds: int
    """Pairs; of two runs, the rounds of the one that has fewer."""
    median_lane: float
    """Median over the rounds that are compared, in the metric's unit."""
    median_reference: float
    ratio: float
    """Lane over reference: the geometric mean over rounds."""
    low: float
    """End of the ratio's interval, at its level of Holm's procedure (see `statistics.holm`)."""
    high: float
    p_adjusted: float
    """Holm's; of the A/A its own."""
    margin: float
    """Margin as a share: 0.05 is from 1/1.05 to 1.05."""
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparisons:
    """All comparisons of a report, and what takes part in none."""

    entries: tuple[Comparison, ...]
    """Comparisons in the order of kinds, points, metrics and lanes; the A/A's after all others."""
    left_out: tuple[str, ...]
    """A line for each trial that is refused, or overloaded and so without latency; then what couldn't be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Where figures can be compared: one metric at one point of one kind of trial."""

    kind: str
    point: tuple[tuple[str, float], ...]
    metric: Metric

    def __str__(self) -> str:
        """Return it without the metric."""
        return where(self.kind, dict(self.point))


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One figure of one lane."""

    values: Mapping[int, float]
    """Values by round."""
    complete: bool
    """Whether no trial was left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A comparison before the others of its report are known."""

    place: Measurement
    lane: str
    reference: str
    rounds: int
    medians: tuple[float, float]
    """Medians of the lane and of the reference."""
    estimate: Estimate
    complete: bool
    """Whether no trial of the two was left out."""


def compare(
    results: Sequence[Result], lanes: Sequence[str], reference: str | None = None, metrics: Sequence[str] = COMPARED
) -> Comparisons:
    """Compare each of *lanes* with *reference*, by default the first of them, and each that ran again with itself.

    Raises ValueError if *reference* is none of the lanes.
    """
    base = next(iter(lanes), "") if reference is None else reference
    if lanes and base not in lanes:
        raise ValueError(f"there is no lane {base!r} to compare with; there are {', '.join(lanes)}")
    family: list[Candidate] = []
    faults: dict[str, list[str]] = {}
    for place, trials in places(results, metrics):
        roles = {trial.lane: trial.role for trial in trials}
        for lane in lanes:
            if lane == base or not {lane, base} <= roles.keys() or roles[lane] is Role.AGAIN:
                continue
            if place.metric.name == ENGINE and roles[lane] is not Role.CLIENT:
                continue
            try:
                family.append(_pair(place, lane, base, trials))
            except ValueError as error:
                faults.setdefault(f"{place}, {lane} against {base}: {error}", []).append(place.metric.name)
    again = noises(results, metrics)
    return Comparisons(
        entries=(*decide(family, again), *(_check(candidate) for candidate in again)),
        left_out=(*left_out(results), *(f"{fault}: {', '.join(names)}" for fault, names in faults.items())),
    )


def noises(results: Sequence[Result], metrics: Sequence[str] = COMPARED) -> list[Candidate]:
    """Return a run's lanes against themselves, of which margins are made."""
    found: list[Candidate] = []
    for place, trials in places(results, metrics):
        for lane, of_lane in {trial.lane: trial.of_lane for trial in trials if trial.role is Role.AGAIN}.items():
            with suppress(ValueError):  # what has no ratio has no noise
                found.append(_pair(place, lane, of_lane, trials))
    return found


def decide(family: Sequence[Candidate], again: Sequence[Candidate]) -> list[Comparison]:
    """Return the comparisons of one report, Holm's procedure and the margins of the A/A's applied."""
    steps = statistics.holm([statistics.p_value(candidate.estimate) for candidate in family])
    return [
        _decided(
            candidate,
            step,
            statistics.margin([other.estimate for other in again if other.place == candidate.place]),
        )
        for candidate, step in zip(family, steps, strict=True)
    ]


def places(results: Sequence[Result], metrics: Sequence[str]) -> Iterator[tuple[Measurement, Sequence[Result]]]:
    """Yield where there are figures, and the trials that were made there."""
    groups: dict[tuple[str, tuple[tuple[str, float], ...]], list[Result]] = {}
    for result in results:
        groups.setdefault((result.kind, tuple(sorted(result.point.items()))), []).append(result)
    for (kind, point), trials in groups.items():
        for name in metrics:
            if any(name in trial.figures for trial in trials):
                yield Measurement(kind=kind, point=point, metric=METRICS[name]), trials


def series(trials: Iterable[Result], lane: str, metric: Metric) -> Series:
    """Return a lane's figures of the trials that count: not refused and, where it is a latency, not overloaded."""
    of_lane = [trial for trial in trials if trial.lane == lane]
    counting = [trial for trial in of_lane if trial.correctness.ok and not (trial.overloaded and metric.of_latency)]
    return Series(
        values={trial.round: trial.figures[metric.name] for trial in counting if metric.name in trial.figures},
        complete=len(counting) == len(of_lane),
    )


def left_out(results: Sequence[Result]) -> list[str]:
    """Return a line for each trial that takes part in no comparison, or in none of latencies."""
    lines = []
    for result in results:
        here = f"{result.lane}, {where(result.kind, result.point)}, round {result.round}"
        if not result.correctness.ok:
            lines.append(f"{here}: refused, so not compared: {result.correctness.faults()} (raw/{result.trial})")
        elif result.overloaded:
            lines.append(f"{here}: overloaded, so its latency isn't compared (raw/{result.trial})")
    return lines


def where(kind: str, point: Mapping[str, float]) -> str:
    """Return a kind of trial and a point in words."""
    at = told(point)
    return f"{kind} at {at}" if at else kind


def _pair(place: Measurement, lane: str, reference: str, trials: Sequence[Result]) -> Candidate:
    """Pair two lanes by round. Raises ValueError if there are too few pairs, or figures without a ratio."""
    one, other = (series(trials, name, place.metric) for name in (lane, reference))
    rounds = sorted(one.values.keys() & other.values.keys())
    values = [one.values[number] for number in rounds], [other.values[number] for number in rounds]
    estimate = statistics.paired(statistics.log_ratios(*values))
    return Candidate(
        place=place,
        lane=lane,
        reference=reference,
        rounds=len(rounds),
        medians=(median(values[0]), median(values[1])),
        estimate=estimate,
        complete=one.complete and other.complete,
    )


def _check(candidate: Candidate) -> Comparison:
    """Return a lane against itself: alone, not one of the family."""
    p = statistics.p_value(candidate.estimate)
    return _decided(candidate, Step(p_adjusted=p, alpha=ALPHA), MARGIN, against_itself=True)


def _decided(candidate: Candidate, step: Step, margin: float, *, against_itself: bool = False) -> Comparison:
    metric = candidate.place.metric
    low, high = statistics.interval(candidate.estimate, step.alpha)
    verdict: Verdict = statistics.decide(low, high, margin, metric.better)
    if not candidate.complete:
        verdict = "incomplete"
    elif candidate.rounds < ROUNDS_FOR_A_VERDICT:
        verdict = "preliminary"
    return Comparison(
        kind=candidate.place.kind,
        point=dict(candidate.place.point),
        metric=metric.name,
        lane=candidate.lane,
        reference=candidate.reference,
        against_itself=against_itself,
        rounds=candidate.rounds,
        median_lane=candidate.medians[0],
        median_reference=candidate.medians[1],
        ratio=exp(candidate.estimate.mean),
        low=exp(low),
        high=_exp(high),
        p_adjusted=step.p_adjusted,
        margin=_exp(margin) - 1,
        verdict=verdict,
    )


def _exp(value: float) -> float:
    """Return e to the power of *value*, which is infinite where two rounds far apart say nothing."""
    try:
        return exp(value)
    except OverflowError:
        return inf
