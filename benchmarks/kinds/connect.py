"""`connect`: a storm of readers, as after a restart: how long each has to wait for its first event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from streamlanes.benchmarks.analysis import latency
from streamlanes.benchmarks.analysis.figures import Figures
from streamlanes.benchmarks.analysis.recorded import Recorded
from streamlanes.benchmarks.kinds import Kind, Servers
from streamlanes.benchmarks.kinds.settings import CHECKED, Rounds
from streamlanes.benchmarks.spec.sessions import ProducerParams
from streamlanes.benchmarks.spec.tasks import Audience
from streamlanes.benchmarks.spec.workload import Workload, to_an_audience

NAME: Final = "connect"
RATE: Final = 2.0
"""Events per second of the stream: it goes on, and its cost doesn't matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """The settings."""

    __pydantic_config__ = CHECKED

    rounds: Rounds = 3
    readers: Annotated[int, Field(ge=1, le=10_000)] = 300
    spread: Annotated[float, Field(ge=0, le=600)] = 1.0
    """Seconds over which they come, evenly, whatever has become of those before."""
    linger: Annotated[float, Field(ge=0.5, le=600)] = 2.0
    """Seconds that the stream goes on after the last one was due."""

    def workloads(self, *, seed: int, round_number: int) -> list[Workload]:
        count = round((self.spread + self.linger) * RATE) + 1
        params: ProducerParams = {"count": count, "rate": RATE, "seed": seed + round_number}
        return [to_an_audience(NAME, Audience(readers=self.readers, spread=self.spread), params)]

    def title(self) -> str:
        return f"Connecting: {self.readers:,} readers within {self.spread:g} s, to a stream that has an event for them"

    def notes(self) -> tuple[str, ...]:
        return ("No session is started for them: the way from a request to its first event is what is measured.",)


def figures(recorded: Recorded) -> Figures:
    """Return how long the readers waited, and what one cost."""
    found = Figures()
    latency.add_first_event(recorded, found)
    server, _ = recorded.usages
    if server.cpu_ns is not None:
        found.numbers["server_us_per_connect"] = server.cpu_ns / 1e3 / max(len(recorded.readings), 1)
    return found


KIND: Final = Kind(
    name=NAME,
    heading="A storm of connects",
    part=Connect,
    figures=figures,
    tables=(
        (
            *("first_event_p50_ms", "first_event_p90_ms", "first_event_p99_ms", "first_event_max_ms"),
            *("connect_p50_ms", "connect_p99_ms", "server_us_per_connect"),
        ),
    ),
    servers=Servers.ANY,
)
