"""`load`: clients that come at their times, each with a `tokens` stream of its own."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from streamlanes.benchmarks.analysis import latency
from streamlanes.benchmarks.analysis.figures import Figures
from streamlanes.benchmarks.analysis.inter_arrival import add_intervals
from streamlanes.benchmarks.analysis.recorded import Recorded
from streamlanes.benchmarks.kinds import ONLY_LANES, Kind, Servers, Streams
from streamlanes.benchmarks.kinds.settings import CHECKED, Deadline, Rounds
from streamlanes.benchmarks.spec.expected import expect
from streamlanes.benchmarks.spec.role import Role
from streamlanes.benchmarks.spec.sessions import SessionPlan
from streamlanes.benchmarks.spec.tasks import Sessions
from streamlanes.benchmarks.spec.trace import Trace
from streamlanes.benchmarks.spec.workload import Workload
from streamlanes.producers.tokens import MAX_TEXT, MAX_TOKENS

NAME: Final = "load"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The settings."""

    __pydantic_config__ = CHECKED

    rounds: Rounds = 3
    clients: Annotated[int, Field(ge=1, le=5_000)] = 20
    spread: Annotated[float, Field(ge=0, le=600)] = 0.5
    """Seconds over which the clients come: times drawn evenly, seeded. A trace brings its own times."""
    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)] | None = None
    """What is streamed; None: the producer's sample."""
    count: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None
    """Tokens a client, the text over and over; None: the text once. A trace brings its own counts."""
    rate: Annotated[float, Field(ge=0.1, le=10_000)] = 50.0
    """Tokens per second and stream, on average."""
    ttft: Annotated[float, Field(ge=0, le=60)] = 0.3
    """Seconds to the first token, on average."""
    sigma: Annotated[float, Field(ge=0, le=2)] = 0.5
    """Spread of the times between tokens: the standard deviation of their logarithm."""
    deadline: Deadline = 0.1
    """Seconds from due to received within which an event counts for goodput."""

    def workloads(self, *, seed: int, round_number: int) -> list[Workload]:
        return self._workloads(self.sessions(seed=seed, round_number=round_number))

    def traced(self, trace: Trace, *, seed: int, round_number: int) -> list[Workload]:
        return self._workloads(self.sessions(seed=seed, round_number=round_number, trace=trace))

    def _workloads(self, sessions: Sequence[SessionPlan]) -> list[Workload]:
        expected = tuple(expect(sessions))
        ends = (session.at_ns + one.duration_ns for session, one in zip(sessions, expected, strict=True))
        return [
            Workload(
                kind=NAME,
                task=Sessions(sessions=tuple(sessions), warm_up=self._warm_up()),
                expected=expected,
                duration=max(ends, default=0) / 1e9,
                deadline=self.deadline,
            )
        ]

    def sessions(self, *, seed: int, round_number: int, trace: Trace | None = None) -> list[SessionPlan]:
        """Return the sessions of a round in the order of their times.

        With a trace, its times and token counts take the place of these settings'.
        """
        # Simulated arrivals, not cryptography.
        rng = random.Random(f"{seed}/{round_number}")  # noqa: S311
        if trace is None:
            spread_ns = self.spread * 1e9
            arrivals = sorted(round(rng.random() * spread_ns) for _ in range(self.clients))
            counts: Sequence[int | None] = [self.count] * self.clients
        else:
            arrivals = [request.at_ns for request in trace.requests]
            counts = [request.tokens for request in trace.requests]
        return [
            SessionPlan(at_ns=at_ns, producer="tokens", params=self._params(count, rng.getrandbits(31)))
            for at_ns, count in zip(arrivals, counts, strict=True)
        ]

    def _warm_up(self) -> SessionPlan:
        return SessionPlan(at_ns=0, producer="tokens", params={**self._params(20, 1), "rate": 1_000.0, "ttft": 0.0})

    def _params(self, count: int | None, seed: int) -> dict[str, str | int | float]:
        params: dict[str, str | int | float] = {"rate": self.rate, "ttft": self.ttft, "sigma": self.sigma, "seed": seed}
        if self.text is not None:
            params["text"] = self.text
        if count is not None:
            params["count"] = count
        return params

    def title(self) -> str:
        return f"Under load: {count(self.clients, 'client')}, each with its own stream of tokens"

    def notes(self) -> tuple[str, ...]:
        tokens = "the text once" if self.count is None else f"{self.count:,} tokens"
        return (
            f"Clients come within {self.spread:g} s, each for {tokens} at {self.rate:,.12g}/s.",
            f"in time: within {self.deadline * 1e3:,.12g} ms of when an event was due.",
        )


def count(number: int, noun: str) -> str:
    """Return `1 client`, `20 clients`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def figures(recorded: Recorded) -> Figures:
    """Return latencies, and the parts of the time to first event."""
    found = Figures()
    latency.add_latency(recorded, found)
    latency.add_first_event(recorded, found)
    add_intervals(recorded, found)
    return found


KIND: Final = Kind(
    name=NAME,
    heading="Under load",
    part=Load,
    figures=figures,
    tables=(
        (
            *("latency_p50_ms", "latency_p90_ms", "latency_p99_ms", "latency_max_ms", "in_time", "rate"),
            *("server_us_per_event", "server_cpu"),
        ),
        (
            *("lag_p50_ms", "lag_p99_ms", "queueing_p50_ms", "queueing_p99_ms", "delivery_p50_ms", "delivery_p99_ms"),
            *("connect_p50_ms", "first_event_p50_ms"),
        ),
        ("interarrival_p50_ms", "interarrival_p99_ms", "tpot_p50_ms", "tpot_p90_ms", "jitter_ms"),
    ),
    streams=Streams.EACH_ITS_OWN,
    servers=Servers.ANY,
    roles=ONLY_LANES | {Role.CLIENT, Role.FLOOR},
    text=lambda text: {"text": text, "count": None},
)
