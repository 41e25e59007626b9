"""`broadcast`: one stream, read by all clients at once; the deliveries per second stay as they are, whoever reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

from pydantic import Field

from streamlanes.benchmarks.analysis import latency
from streamlanes.benchmarks.analysis.figures import Figures
from streamlanes.benchmarks.analysis.inter_arrival import add_intervals
from streamlanes.benchmarks.analysis.recorded import Recorded
from streamlanes.benchmarks.kinds import ONE_STREAM, Kind, Servers
from streamlanes.benchmarks.kinds.settings import CHECKED, Deadline, Rounds, Size
from streamlanes.benchmarks.spec.role import Role
from streamlanes.benchmarks.spec.sessions import ProducerParams
from streamlanes.benchmarks.spec.tasks import Audience
from streamlanes.benchmarks.spec.workload import Workload, to_an_audience

NAME: Final = "broadcast"

CONNECT_SECONDS: Final = 0.004
"""Seconds for each reader to come before the first event is due."""
READY_SECONDS: Final = 0.5
"""Seconds for the last one to be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """The settings."""

    __pydantic_config__ = CHECKED

    rounds: Rounds = 3
    readers: Annotated[tuple[Annotated[int, Field(ge=1, le=10_000)], ...], Field(min_length=1)] = (10,)
    """Numbers of readers, a trial each."""
    deliveries: Annotated[float, Field(ge=0.1, le=1_000_000)] = 2_000.0
    """Per second, by all readers together: the stream's rate is this divided by their number."""
    arrivals: Literal["constant", "poisson"] = "constant"
    size: Size = 128
    """Bytes of each event's JSON text."""
    seconds: Annotated[float, Field(ge=0.5, le=3_600)] = 5.5
    """How long the stream is measured."""
    warm_up: Annotated[float, Field(ge=0, le=600)] = 0.5
    """Seconds of it before, which are in no figure."""
    deadline: Deadline = 0.1
    """Seconds from due to received within which an event counts for goodput."""
    turn: Annotated[float, Field(ge=0.05, le=60)] | Literal[0] = 0
    """Seconds of the turns in which a round's lanes have their events, side by side; 0: one lane after the other."""

    def __post_init__(self) -> None:
        if self.turn > self.seconds:
            raise ValueError(f"turn is {self.turn:g} s, and a lane has its events in {self.seconds:g} s: take fewer")

    def workloads(self, *, seed: int, round_number: int) -> list[Workload]:
        return [self.workload(readers, self.deliveries / readers, seed + round_number) for readers in self.readers]

    def workload(self, readers: int, rate: float, seed: int) -> Workload:
        """Return the trial of one stream of *rate* events a second and its *readers*."""
        delay = readers * CONNECT_SECONDS + READY_SECONDS
        count = max(round((self.warm_up + self.seconds) * rate), 1)
        params: ProducerParams = {
            "arrivals": self.arrivals, "count": count, "rate": rate, "size": self.size, "seed": seed, "delay": delay,
        }  # fmt: skip
        return replace(
            to_an_audience(NAME, Audience(readers=readers, spread=readers * CONNECT_SECONDS), params),
            point={"readers": readers, "rate": rate} if len(self.readers) > 1 else {},
            deadline=self.deadline,
            opens=delay + self.warm_up,
            warm_up=self.warm_up,
            turn=self.turn,
        )

    def title(self) -> str:
        numbers = " / ".join(f"{readers:,}" for readers in self.readers)
        return f"Broadcast: one stream to {numbers} readers, {self.deliveries:,.12g} deliveries a second"

    def notes(self) -> tuple[str, ...]:
        return (
            f"{self.arrivals} spacing, {self.size} bytes each, {self.seconds:g} s after {self.warm_up:g} s of warm-up.",
            *(
                [f"The lanes of a round side by side, with their events in turns of {self.turn:g} s."]
                if self.turn
                else []
            ),
            f"in time: within {self.deadline * 1e3:,.12g} ms of when an event was due.",
        )


def figures(recorded: Recorded) -> Figures:
    """Return the latencies of all deliveries; an event is one independent sample, however many got it."""
    found = Figures()
    latency.add_latency(recorded, found)
    add_intervals(recorded, found)
    return found


KIND: Final = Kind(
    name=NAME,
    heading="One stream to many readers",
    part=Broadcast,
    figures=figures,
    tables=(
        (
            *("latency_p50_ms", "latency_p90_ms", "latency_p99_ms", "latency_max_ms", "in_time", "rate"),
            *("server_us_per_event", "server_cpu"),
        ),
        ("lag_p50_ms", "lag_p99_ms", "queueing_p50_ms", "queueing_p99_ms", "delivery_p50_ms", "delivery_p99_ms"),
        ("interarrival_p50_ms", "interarrival_p99_ms", "jitter_ms"),
    ),
    servers=Servers.ANY,
    roles=ONE_STREAM | {Role.CLIENT, Role.ALONE},
)
