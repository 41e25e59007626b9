"""`saturated`: a log that is full already, read from its start to its end over one connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from streamlanes.benchmarks.analysis import caveats
from streamlanes.benchmarks.analysis.caveats import Caveat
from streamlanes.benchmarks.analysis.figures import Figures
from streamlanes.benchmarks.analysis.recorded import Recorded
from streamlanes.benchmarks.kinds import ONLY_LANES, EngineLoad, Kind, Pace, Part
from streamlanes.benchmarks.kinds.settings import CHECKED, Rounds, Size
from streamlanes.benchmarks.machine.usage import MOSTLY_BUSY
from streamlanes.benchmarks.spec.expected import expect
from streamlanes.benchmarks.spec.role import Role
from streamlanes.benchmarks.spec.sessions import ProducerParams, SessionPlan
from streamlanes.benchmarks.spec.tasks import Rereading
from streamlanes.benchmarks.spec.workload import Workload

NAME: Final = "saturated"
STREAM: Final = "prefilled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturated:
    """The settings."""

    __pydantic_config__ = CHECKED

    rounds: Rounds = 1
    events: Annotated[int, Field(ge=100, le=1_000_000)] = 50_000
    size: Size = 128
    """Bytes of each event's JSON text."""
    seconds: Annotated[float, Field(ge=0, le=60)] = 1.0
    """The stream is read again until so much time is measured."""

    def workloads(self, *, seed: int, round_number: int) -> list[Workload]:
        params: ProducerParams = {"arrivals": "at-once", "count": self.events, "size": self.size, "seed": seed}
        stream = f"{STREAM}=ticker," + ",".join(f"{key}={value}" for key, value in params.items())
        room = ("--retain-events", str(self.events), "--retain-bytes", str(self.events * self.size))
        return [
            Workload(
                kind=NAME,
                task=Rereading(stream=STREAM, events=self.events, seconds=self.seconds),
                expected=tuple(expect([SessionPlan(at_ns=0, producer="ticker", params=params)])),
                duration=self.seconds,
                options=("--stream", stream, *room),
            )
        ]

    def title(self) -> str:
        return f"Saturated: {self.events:,} events of {self.size} bytes, read from a full log"

    def notes(self) -> tuple[str, ...]:
        return (
            f"One connection at a time, from the start to the end, again until {self.seconds:g} s were measured.",
            (
                f"Where the server's CPU is busy for less than {MOSTLY_BUSY:.0%}, the engine or the round trips set "
                "the pace, and events/s is a lower bound: compare the server's CPU time."
            ),
        )


def figures(recorded: Recorded) -> Figures:
    """Return the rate; the engine's part in it is a caveat."""
    begin_ns, end_ns = recorded.window_ns
    events = sum(reading.reader.events for reading in recorded.readings)
    return Figures(
        numbers={"rate": events / (end_ns - begin_ns) * 1e9},
        caveats=caveats.engine_limits(*recorded.usages, end_ns - begin_ns),
    )


def engine_load(part: Part) -> EngineLoad:
    """Return what the engine's ceiling is measured with: the same events for as long."""
    if not isinstance(part, Saturated):
        raise TypeError("these aren't the settings of saturated trials")
    return EngineLoad(part.events, part.size, part.seconds)


def doubts(figures: Mapping[str, float], ceiling: float | None) -> Sequence[Caveat]:
    """Return how near the lane's rate is to the engine's ceiling."""
    return [] if ceiling is None or "rate" not in figures else caveats.ceiling(figures["rate"], ceiling)


KIND: Final = Kind(
    name=NAME,
    heading="As fast as it goes",
    part=Saturated,
    figures=figures,
    tables=(("rate", "server_us_per_event", "server_cpu", "engine_us_per_event", "engine_cpu"),),
    pace=Pace.READER,
    roles=ONLY_LANES | {Role.CLIENT, Role.FLOOR},
    engine_load=engine_load,
    doubts=doubts,
)
