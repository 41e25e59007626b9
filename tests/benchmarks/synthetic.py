"""Results that were never measured: figures drawn from known distributions, seeded."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.environment import environment
from benchmarks.gate import Verdict
from benchmarks.processes import placement
from benchmarks.results import Header
from benchmarks.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What the statistics read of a result."""

    trial: str = "1"
    kind: str = "load"
    lane: str = "sse"
    round: int = 1
    point: Mapping[str, float] = field(default_factory=dict)
    verdict: Verdict = field(default_factory=Verdict)
    overloaded: bool = False
    window_ns: int = 1_500_000_000
    figures: Mapping[str, float] = field(default_factory=dict)
    histograms: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[str, int] = field(default_factory=dict)


def header(*lanes: str) -> Header:
    """Return the header of a run on this machine."""
    return Header(
        started="2026-01-01T00:00:00+00:00",
        command="streamlanes compare tokens",
        scenario=Scenario(name="tokens", lanes=lanes or ("sse", "ws")),
        text_sha256=None,
        trace=None,
        sessions=2,
        events=1_000,
        duration=1.0,
        environment=environment(placement()),
    )


def run(
    levels: Mapping[str, float],
    *,
    rounds: int = 10,
    noise: float = 0.01,
    metrics: Sequence[str] = ("latency_p50_ms",),
    seed: int = 1,
    kind: str = "load",
    point: Mapping[str, float] | None = None,
) -> list[Trial]:
    """Return the trials of a run: log-normal figures around each lane's level, with a mood that a round's lanes share.

    *noise* is the standard deviation of a figure's logarithm; that of the mood is 0.3.
    """
    random_ = random.Random(seed)
    found = []
    for number in range(1, rounds + 1):
        mood = {metric: random_.gauss(0, 0.3) for metric in metrics}
        found += [
            Trial(
                trial=f"{kind}-{number}-{lane}",
                kind=kind,
                lane=lane,
                round=number,
                point=point or {},
                figures={metric: level * math.exp(mood[metric] + random_.gauss(0, noise)) for metric in metrics},
            )
            for lane, level in levels.items()
        ]
    return found
