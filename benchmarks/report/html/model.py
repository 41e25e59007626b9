"""What the page shows: plain values, ready to be printed or drawn. A section without values is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from streamlanes.benchmarks.analysis.figures import Heat, Timeline

Judgement: TypeAlias = Literal["better", "worse", "equivalent", "undecided", "preliminary", "incomplete", "baseline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A name and its value."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a lane is better and worse at than the baseline, each empty or a list in words."""

    lane: str
    better: str
    worse: str
    equivalent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The verdict in plain words, and what must not be read into it."""

    headline: str
    """A sentence or two."""
    lanes: tuple[Standing, ...]
    details: tuple[str, ...]
    """Further sentences."""
    not_said: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A lane's figure over the baseline's; 1 is no difference. An interval is absent with one round."""

    mid: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow:
    """A lane in a comparison."""

    lane: str
    median: str
    """Figure with thousands separators; empty if there is none, and `remark` says why."""
    ratio: Ratio | None = None
    judgement: Judgement | None = None
    remark: str = ""
    """"overloaded", "refused: 12 lost", …"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One metric, lane by lane."""

    title: str
    unit: str
    better: Literal["lower", "higher"]
    meaning: str
    margin: float
    """A relative difference of this or less counts as none: 0.05."""
    rows: tuple[ComparisonRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonTable:
    """The lanes of one workload, against one of them."""

    title: str
    baseline: str
    """Empty if there is none, and so no ratio."""
    groups: tuple[Group, ...]
    folded: bool = False
    """Whether it is of the second rank, to be opened by who wants it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Points of a lane, in the order of x. What they are is up to the figure."""

    lane: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The distribution of one latency, lane by lane: a percentile spectrum and an ECDF."""

    title: str
    spectrum: tuple[Curve, ...]
    """x: percentile, 0 to below 100, as far as the lane's samples support it; y: ms."""
    ecdf: tuple[Curve, ...]
    """x: ms; y: share of deliveries that took no longer, 0 to 1."""
    deadline_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Latency against load."""

    title: str
    x_title: str
    """"events per second offered", "readers"."""
    y_title: str
    """"p99 latency"."""
    lines: tuple[Curve, ...]
    """y: ms, at the loads that the lane kept up with."""
    overloaded: tuple[Curve, ...] = ()
    """x: the loads that it did not keep up with; y is empty."""
    knees: tuple[tuple[str, float], ...] = ()
    """Lane and the highest load that it kept up with, where there was a higher one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """One lane's latency over time."""

    lane: str
    heat: Heat


@dataclass(frozen=True, slots=True, kw_only=True)
class Heats:
    """A workload's heat maps."""

    title: str
    maps: tuple[HeatMap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A lane's cost: the median over rounds, and the smallest and largest."""

    lane: str
    value: float
    low: float
    high: float
    note: str = ""
    """What else there is to say of it, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One cost, lane by lane; lower is better."""

    title: str
    unit: str
    meaning: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryTimeline:
    """One lane under the fault schedule."""

    lane: str
    timeline: Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Redo:
    """How somebody who doubts it gets it anew."""

    command: str
    seed: int
    scenario: str
    """TOML."""
    recompute: str
    """Python that gets a printed figure from the run's folder."""
    raw: str
    """A sentence on what the folder holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The page."""

    title: str
    started: str
    facts: tuple[Fact, ...]
    """Facts of the run in short: lanes, rounds, duration."""
    lanes: tuple[str, ...]
    """All of them; the order gives each its colour, the same in every figure."""
    twice: Mapping[str, str]
    """Names of the lanes that ran again, each with the lane that it is."""
    finding: Finding
    comparisons: tuple[ComparisonTable, ...]
    refused: tuple[str, ...]
    """A sentence each: lane, round, and what was wrong."""
    spreads: tuple[Spread, ...]
    sweeps: tuple[Sweep, ...]
    heats: tuple[Heats, ...]
    costs: tuple[Cost, ...]
    recoveries: tuple[RecoveryTimeline, ...]
    caveats: tuple[str, ...]
    environment: tuple[Fact, ...]
    redo: Redo
