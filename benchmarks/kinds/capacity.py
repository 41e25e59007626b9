"""`capacity`: the highest offered rate at which a lane's backlog does not grow: a search, then a confirming run.

As in the OpenMessaging Benchmark (https://openmessaging.cloud/docs/benchmarks/): the rate is doubled until the lane
falls behind, then the bracket is halved on a logarithmic scale. Each step is a broadcast trial of its own, with a fresh
server; so is the confirming run, which is longer and a little below the highest rate that was sustained.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from streamlanes.benchmarks.analysis import latency
from streamlanes.benchmarks.analysis.figures import Figures
from streamlanes.benchmarks.analysis.recorded import Recorded
from streamlanes.benchmarks.kinds import ONE_STREAM, Kind, Pace
from streamlanes.benchmarks.kinds.broadcast import Broadcast
from streamlanes.benchmarks.kinds.settings import CHECKED, Deadline, Rounds, Size
from streamlanes.benchmarks.machine.usage import BUSY
from streamlanes.benchmarks.spec.role import Role
from streamlanes.benchmarks.spec.workload import TrialFinding, Workload

NAME: Final = "capacity"
MARGIN: Final = 0.95
"""Share of the highest rate that was sustained: that of the confirming run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The settings."""

    __pydantic_config__ = CHECKED

    rounds: Rounds = 1
    readers: Annotated[int, Field(ge=1, le=10_000)] = 20
    first: Annotated[float, Field(ge=1, le=1_000_000)] = 1_000.0
    """Deliveries per second, by all readers together, that the search begins with."""
    last: Annotated[float, Field(ge=1, le=10_000_000)] = 400_000.0
    """Deliveries per second with which it ends at the latest."""
    precision: Annotated[float, Field(ge=1.01, le=2)] = 1.15
    """The search is over when the lowest rate that wasn't sustained is so many times the highest that was."""
    size: Size = 128
    """Bytes of each event's JSON text."""
    seconds: Annotated[float, Field(ge=1, le=600)] = 2.5
    """Seconds of a step."""
    confirm: Annotated[float, Field(ge=1, le=3_600)] = 6.0
    """Seconds of the confirming run."""
    deadline: Deadline = 0.1
    """Seconds from due to received; a lane that is later by half in the end, and later than at the beginning, has
    fallen behind."""

    def workloads(self, *, seed: int, round_number: int) -> list[Workload]:
        return [_Search(part=self, offered=self.first, seed=seed + round_number).step()]

    def at(self, offered: float, seconds: float, seed: int) -> Workload:
        """Return a trial of *seconds* at *offered* deliveries a second."""
        stream = Broadcast(deliveries=offered, size=self.size, seconds=seconds, deadline=self.deadline)
        workload = stream.workload(self.readers, offered / self.readers, seed)
        # A lane that falls behind is to be late, not to lose what the log no longer holds.
        events = workload.expected[0].events
        room = ("--retain-events", str(events), "--retain-bytes", str(events * self.size))
        return dataclasses.replace(workload, kind=NAME, options=room)

    def title(self) -> str:
        return f"Capacity: the most that {self.readers:,} readers of one stream can be sent, deliveries a second"

    def notes(self) -> tuple[str, ...]:
        return (
            f"Searched to within {self.precision - 1:.0%} by trials of {self.seconds:g} s; {self.size} bytes an event.",
            f"Confirmed for {self.confirm:g} s at {MARGIN:.0%} of the highest rate that was sustained.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Search:
    """Where a search has got to; called with what came of its present step, it gives the next."""

    part: Capacity
    offered: float
    seed: int
    held: float | None = None
    """The highest rate that was sustained."""
    failed: float | None = None
    """The lowest that wasn't."""

    def step(self) -> Workload:
        """Return the trial of the present step."""
        workload = self.part.at(self.offered, self.part.seconds, self.seed)
        return dataclasses.replace(workload, point={"offered": round(self.offered)}, then=self)

    def __call__(self, found: TrialFinding) -> Workload | None:
        """Return the next step, or the confirming run. None: the lane isn't correct, or sustains nothing."""
        if not found.correct:
            return None
        held, failed = (self.held, self.offered) if found.overloaded else (self.offered, self.failed)
        known = dataclasses.replace(self, held=held, failed=failed)
        return known.following(engine_cpu=found.figures.get("engine_cpu", 0))

    def following(self, *, engine_cpu: float) -> Workload | None:
        """Return what comes after the present step, whose outcome is known."""
        part = self.part
        if self.held is None:
            return dataclasses.replace(self, offered=self.offered / 2).step() if self.offered > part.readers else None
        # Where the engine is at its limit, more would say nothing about the lane.
        full = self.failed is None and (self.held >= part.last or engine_cpu > BUSY)
        if full or (self.failed is not None and self.failed / self.held <= part.precision):
            return part.at(self.held * MARGIN, part.confirm, self.seed)
        between = min(self.held * 2, part.last) if self.failed is None else math.sqrt(self.held * self.failed)
        return dataclasses.replace(self, offered=between).step()


def figures(recorded: Recorded) -> Figures:
    """Return the latencies at the offered rate; of a confirming run that held, the rate."""
    found = Figures()
    latency.add_latency(recorded, found)
    if not recorded.trial.point and not found.backlog:
        (expected,) = recorded.trial.expected
        span_ns = expected.duration_ns - expected.first_ns
        found.numbers["sustainable_rate"] = (expected.events - 1) * len(recorded.readings) / span_ns * 1e9
    return found


KIND: Final = Kind(
    name=NAME,
    heading="Rising load",
    part=Capacity,
    figures=figures,
    tables=(
        (
            "sustainable_rate",
            "latency_p50_ms",
            "latency_p99_ms",
            "server_us_per_event",
            "server_cpu",
            "engine_cpu",
        ),
    ),
    pace=Pace.STRAIN,
    roles=ONE_STREAM | {Role.CLIENT},
)
