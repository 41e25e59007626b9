"""`wire`: bytes and segments for each event, in both directions, with headers and polls and all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Final

from pydantic import Field

from streamlanes.benchmarks.analysis.figures import Figures
from streamlanes.benchmarks.analysis.recorded import Recorded
from streamlanes.benchmarks.kinds import Kind, Servers
from streamlanes.benchmarks.kinds.settings import CHECKED, Rounds, Size
from streamlanes.benchmarks.spec.sessions import ProducerParams
from streamlanes.benchmarks.spec.tasks import Audience
from streamlanes.benchmarks.spec.workload import Workload, to_an_audience

NAME: Final = "wire"
DELAY: Final = 0.5
"""Seconds for the readers to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnTheWire:
    """The settings."""

    __pydantic_config__ = CHECKED

    rounds: Rounds = 3
    readers: Annotated[int, Field(ge=1, le=100)] = 5
    rates: Annotated[tuple[Annotated[float, Field(ge=0.1, le=10_000)], ...], Field(min_length=1)] = (5.0, 50.0, 500.0)
    """Events per second, a trial each: what is pending together shares a segment, and a poll."""
    events: Annotated[int, Field(ge=10, le=100_000)] = 100
    size: Size = 128
    """Bytes of each event's JSON text."""

    def workloads(self, *, seed: int, round_number: int) -> list[Workload]:
        return [self._workload(rate, seed + round_number) for rate in self.rates]

    def _workload(self, rate: float, seed: int) -> Workload:
        params: ProducerParams = {"count": self.events, "rate": rate, "size": self.size, "seed": seed, "delay": DELAY}
        audience = Audience(readers=self.readers, spread=0.1, traffic=True)
        return replace(to_an_audience(NAME, audience, params), point={"rate": rate})

    def title(self) -> str:
        return f"On the wire: {self.events:,} events of {self.size} bytes, from the request to the end"

    def notes(self) -> tuple[str, ...]:
        return (
            "Segments of at most 1,448 bytes, as on an Ethernet; what opens a connection and closes it is taken off.",
        )


def figures(recorded: Recorded) -> Figures:
    """Return what went over the readers' connections, for each event."""
    traffic = [reader.traffic for reader, _ in recorded.readings if reader.traffic is not None]
    events = sum(reader.events for reader, _ in recorded.readings if reader.traffic is not None)
    if not events:
        return Figures()
    return Figures(
        numbers={
            "bytes_down_per_event": sum(one.bytes_down for one in traffic) / events,
            "bytes_up_per_event": sum(one.bytes_up for one in traffic) / events,
            "segments_per_event": sum(one.segments for one in traffic) / events,
        }
    )


KIND: Final = Kind(
    name=NAME,
    heading="On the wire",
    part=OnTheWire,
    figures=figures,
    tables=(("bytes_down_per_event", "bytes_up_per_event", "segments_per_event"),),
    servers=Servers.ANY,
)
