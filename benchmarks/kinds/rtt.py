"""`rtt`: clients that send messages to an `echo` stream of their own, and read what comes back over the lane."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field

from streamlanes.benchmarks.analysis import caveats
from streamlanes.benchmarks.analysis.caveats import Caveat
from streamlanes.benchmarks.analysis.figures import Figures
from streamlanes.benchmarks.analysis.join import RoundTrips, join_echoes
from streamlanes.benchmarks.analysis.recorded import Recorded
from streamlanes.benchmarks.kinds import ONLY_LANES, Kind, Servers, Streams
from streamlanes.benchmarks.kinds.settings import CHECKED, Deadline, Rounds, Size
from streamlanes.benchmarks.spec.expected import expect
from streamlanes.benchmarks.spec.records import read_sends
from streamlanes.benchmarks.spec.sessions import MessagePlan, SessionPlan
from streamlanes.benchmarks.spec.tasks import Sessions
from streamlanes.benchmarks.spec.workload import Workload

NAME: Final = "rtt"

_START_NS: Final = 10_000_000
"""Nanoseconds for the start of each session."""
_READY_NS: Final = 100_000_000
"""Nanoseconds for the last reader to be there, and again for the last way up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rtt:
    """The settings."""

    __pydantic_config__ = CHECKED

    rounds: Rounds = 3
    clients: Annotated[int, Field(ge=1, le=1_000)] = 10
    messages: Annotated[int, Field(ge=1, le=100_000)] = 40
    """Messages that each client sends."""
    rate: Annotated[float, Field(ge=0.1, le=10_000)] = 40.0
    """Messages per second and client, on average."""
    arrivals: Literal["constant", "poisson"] = "constant"
    """Evenly or exponentially spaced; each client begins at a random part of an interval."""
    size: Size = 128
    """Bytes of each message's JSON text."""
    deadline: Deadline = 0.1
    """Seconds from due to received within which an echo counts for goodput."""

    def workloads(self, *, seed: int, round_number: int) -> list[Workload]:
        sessions = self.conversations(seed=seed, round_number=round_number)
        expected = tuple(expect(sessions))
        ends = (session.schedule_ns + one.duration_ns for session, one in zip(sessions, expected, strict=True))
        return [
            Workload(
                kind=NAME,
                task=Sessions(sessions=tuple(sessions), warm_up=self._warm_up(), settle=self._settle_ns() / 1e9),
                expected=expected,
                duration=max(ends, default=0) / 1e9,
                deadline=self.deadline,
            )
        ]

    def conversations(self, *, seed: int, round_number: int) -> list[SessionPlan]:
        """Return the clients of a round, started one after the other before the first of them sends."""
        # Simulated arrivals, not cryptography.
        rng = random.Random(f"{seed}/{round_number}/rtt")  # noqa: S311
        begins = (self._settle_ns() + round(rng.random() * 1e9 / self.rate) for _ in range(self.clients))
        return [_conversation(self, n * _START_NS, begin_ns, rng.getrandbits(31)) for n, begin_ns in enumerate(begins)]

    def _settle_ns(self) -> int:
        """Return when the window begins: the sessions have been started, and nothing is sent yet."""
        return self.clients * _START_NS + 2 * _READY_NS

    def _warm_up(self) -> SessionPlan:
        return _conversation(dataclasses.replace(self, rate=100.0, messages=10), 0, 2 * _READY_NS, 1)

    def title(self) -> str:
        clients = "1 client" if self.clients == 1 else f"{self.clients:,} clients"
        return f"Round trips: {clients}, each sending to an echo and reading what comes back"

    def notes(self) -> tuple[str, ...]:
        return (
            (
                f"{self.messages:,} messages of {self.size:,} bytes a client and trial, {self.rate:,.12g}/s from each, "
                f"{self.arrivals} spacing."
            ),
            (
                "A WebSocket client sends a frame on the connection that the echoes come down; the others POST each "
                "message on a second connection that is kept alive, and the next one follows its answer."
            ),
        )


def _conversation(rtt: Rtt, at_ns: int, begin_ns: int, seed: int) -> SessionPlan:
    params = {
        "arrivals": rtt.arrivals, "count": rtt.messages, "rate": rtt.rate, "size": rtt.size, "seed": seed,
    }  # fmt: skip
    messages = MessagePlan(ready_ns=begin_ns - _READY_NS, at_ns=begin_ns, params=params)
    return SessionPlan(at_ns=at_ns, producer="echo", params={"count": rtt.messages}, messages=messages)


def figures(recorded: Recorded) -> Figures:
    """Return the round trips and their parts; without the server's times, those that the engine's clock tells."""
    one_clock = recorded.one_clock
    trips = RoundTrips()
    sends = {
        reader.index: sent
        for shard, engine in enumerate(recorded.engines)
        for reader, sent in zip(engine.readers, read_sends(recorded.folder, shard, engine), strict=True)
    }
    for reader, column in recorded.readings:
        join_echoes(column, sends[reader.index], recorded.stamps(reader) if one_clock else None, trips)
    found = Figures()
    total = found.times("rtt", trips.total)
    for name in ("send_lag", "held", *(("up", "down") if one_clock else ())):
        found.times(name, getattr(trips, name))
    if not one_clock:
        found.caveats += caveats.no_one_way_times(journaled=recorded.trial.journaled)
    in_time = sum(value <= recorded.trial.deadline * 1e9 for value in trips.total)
    found.numbers["in_time"] = in_time / max(len(total), 1)
    return found


def doubts(figures: Mapping[str, float], ceiling: float | None) -> Sequence[Caveat]:
    """Return what the sending is late by: a trial of round trips has too few for a p99, a lane may have enough."""
    return caveats.send_lag(figures.get("send_lag_p99_ms"), figures.get("rtt_p50_ms"))


KIND: Final = Kind(
    name=NAME,
    heading="Round trips",
    part=Rtt,
    figures=figures,
    tables=(
        ("rtt_p50_ms", "rtt_p90_ms", "rtt_p99_ms", "rtt_max_ms", "server_us_per_event", "server_cpu"),
        (
            *("send_lag_p50_ms", "send_lag_p99_ms", "held_p50_ms", "held_p99_ms"),
            *("up_p50_ms", "up_p99_ms", "down_p50_ms", "down_p99_ms"),
        ),
    ),
    streams=Streams.EACH_ITS_OWN,
    servers=Servers.ANY,
    roles=ONLY_LANES,
    sends=True,
    doubts=doubts,
)
