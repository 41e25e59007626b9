"""Results that were never measured: figures drawn from known distributions, seeded."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from streamlanes.benchmarks.analysis.gate import Correctness
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment.results import Header
from streamlanes.benchmarks.experiment.scenario import Scenario
from streamlanes.benchmarks.machine.environment import environment
from streamlanes.benchmarks.machine.processes import placement
from streamlanes.benchmarks.spec.role import Role
from tests.benchmarks.rows import of_lane, read_by, role

BLANK: Final = Result(
    trial="1",
    kind="load",
    lane="sse",
    of_lane="sse",
    reader="sse",
    role=Role.LANE,
    round=1,
    point={},
    readers=1,
    events=1_000,
    correctness=Correctness(),
    overloaded=False,
    window_ns=1_500_000_000,
    figures={},
    histograms={},
    samples={},
    heat=None,
    timeline=None,
    caveats=(),
)
"""A correct trial of which nothing is known."""


def header(*lanes: str) -> Header:
    """Return the header of a run on this machine."""
    return Header(
        started="2026-01-01T00:00:00+00:00",
        command="streamlanes compare tokens",
        scenario=Scenario(name="tokens", lanes=lanes or ("sse", "ws")),
        trials=20,
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
) -> list[Result]:
    """Return the trials of a run: log-normal figures around each lane's level, with a mood that a round's lanes share.

    *noise* is the standard deviation of a figure's logarithm; that of the mood is 0.3.
    """
    random_ = random.Random(seed)
    found = []
    for number in range(1, rounds + 1):
        mood = {metric: random_.gauss(0, 0.3) for metric in metrics}
        found += [
            replace(
                BLANK,
                trial=f"{kind}-{number}-{lane}",
                kind=kind,
                lane=lane,
                of_lane=of_lane(lane),
                reader=read_by(lane),
                role=role(lane),
                round=number,
                point=point or {},
                figures={metric: level * math.exp(mood[metric] + random_.gauss(0, noise)) for metric in metrics},
            )
            for lane, level in levels.items()
        ]
    return found
