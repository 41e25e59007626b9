"""What one trial came to: a line of the results, from which reports are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streamlanes.benchmarks.analysis.caveats import Caveat
from streamlanes.benchmarks.analysis.figures import Heat, Timeline
from streamlanes.benchmarks.analysis.gate import Correctness
from streamlanes.benchmarks.spec.role import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One trial: a row of the report, in one round, at one point of a sweep."""

    trial: str
    """Its folder in `raw/`."""
    kind: str
    lane: str
    """Name of the contestant, a row of the report; `sse~again` is lane sse a second time."""
    of_lane: str
    """Name of the lane that the contestant is, or reads: `sse` of `sse~again`."""
    reader: str
    """What reads it: the wire, or the client library."""
    role: Role
    round: int
    point: Mapping[str, float]
    """Place in a sweep; empty if there is none."""
    readers: int
    events: int
    """Received, by all readers."""
    correctness: Correctness
    overloaded: bool
    """Its latencies are of a backlog, so it has none."""
    window_ns: int
    """Nanoseconds from the start of the window to the last reader's end, by the trial's own time (see
    `interleaving`)."""
    figures: Mapping[str, float]
    """Values by the names of `metrics`; what isn't known, or hasn't samples enough, is absent."""
    histograms: Mapping[str, str]
    """Histograms of nanoseconds, HdrHistogram V2 in base64."""
    samples: Mapping[str, int]
    """Independent samples behind each histogram."""
    heat: Heat | None
    timeline: Timeline | None
    caveats: tuple[Caveat, ...]

    @property
    def correct(self) -> bool:
        """Nothing was lost, repeated, reordered or changed, and the trial wasn't broken off."""
        return self.correctness.ok
