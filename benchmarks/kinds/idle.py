"""`idle`: what a reader costs that has nothing to read: memory, kernel memory, wake-ups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import linear_regression
from typing import Annotated, Final

from pydantic import Field

from streamlanes.benchmarks.analysis.figures import Figures
from streamlanes.benchmarks.analysis.recorded import Recorded
from streamlanes.benchmarks.kinds import Kind
from streamlanes.benchmarks.kinds.settings import CHECKED, Rounds
from streamlanes.benchmarks.machine.clocks import IdleCost
from streamlanes.benchmarks.spec.records import Sample
from streamlanes.benchmarks.spec.sessions import ProducerParams
from streamlanes.benchmarks.spec.tasks import Audience
from streamlanes.benchmarks.spec.workload import Workload, to_an_audience

NAME: Final = "idle"
SETTLE: Final = 2.0
"""Seconds between the last reader's coming and the window."""
ARRIVED_NS: Final = 250_000_000
"""Nanoseconds after its request from which on a reader counts as there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """The settings."""

    __pydantic_config__ = CHECKED

    rounds: Rounds = 3
    readers: Annotated[int, Field(ge=50, le=10_000)] = 1_000
    spread: Annotated[float, Field(ge=1, le=600)] = 8.0
    """Seconds over which they come, evenly, while the server's memory is sampled: its slope is the figure."""
    hold: Annotated[float, Field(ge=1, le=3_600)] = 16.0
    """Seconds that they then stay without an event; heartbeats come every 15 s."""

    def workloads(self, *, seed: int, round_number: int) -> list[Workload]:
        opens = self.spread + SETTLE
        params: ProducerParams = {"count": 1, "delay": opens + self.hold, "seed": seed + round_number}
        audience = Audience(readers=self.readers, spread=self.spread, probe=True)
        return [replace(to_an_audience(NAME, audience, params), opens=opens)]

    def title(self) -> str:
        return f"Idle: {self.readers:,} readers come within {self.spread:g} s and have nothing to read"

    def notes(self) -> tuple[str, ...]:
        return (f"Wake-ups are counted for {self.hold:g} s, with heartbeats every 15 s and polls that wait 30 s.",)


def figures(recorded: Recorded) -> Figures:
    """Return the slopes of memory over readers, and the wake-ups in the window."""
    found = Figures(deliveries=0)
    engine = recorded.engines[0]
    arrivals = sorted(reader.request_ns + ARRIVED_NS for reader, _ in recorded.readings)
    coming = [sample for sample in engine.before if arrivals[0] <= sample.at_ns <= arrivals[-1]]
    for name, cost in (("idle_bytes_per_reader", _uss), ("idle_slab_bytes_per_reader", _slab)):
        slope = _slope(coming, arrivals, cost)
        if slope is not None:
            found.numbers[name] = slope
    woken = min(column.received[0] for _, column in recorded.readings)
    quiet = [sample for sample in engine.samples if sample.at_ns < woken]
    if len(quiet) > 1 and quiet[0].idle is not None and quiet[-1].idle is not None:
        seconds = (quiet[-1].at_ns - quiet[0].at_ns) / 1e9
        wakeups = quiet[-1].idle.wakeups - quiet[0].idle.wakeups
        found.numbers["wakeups_per_reader"] = wakeups / seconds / len(recorded.readings)
    return found


def _uss(cost: IdleCost) -> int:
    return cost.uss


def _slab(cost: IdleCost) -> int:
    return cost.slab


def _slope(samples: Sequence[Sample], arrivals: Sequence[int], cost: Callable[[IdleCost], int]) -> float | None:
    """Return the least-squares slope of a cost over the readers that were there; None where it can't be read."""
    known = [(sample.at_ns, cost(sample.idle)) for sample in samples if sample.idle is not None]
    readers = [sum(arrival <= at_ns for arrival in arrivals) for at_ns, _ in known]
    if len(set(readers)) < 2:
        return None
    return linear_regression(readers, [value for _, value in known]).slope


KIND: Final = Kind(
    name=NAME,
    heading="Idle readers",
    part=Idle,
    figures=figures,
    tables=(("idle_bytes_per_reader", "idle_slab_bytes_per_reader", "wakeups_per_reader", "server_cpu"),),
)
