"""From a scenario to the sessions of a trial: fixed before it starts, the same on every lane."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from benchmarks.scenario import Load, Rtt, Saturated
from benchmarks.trace import Trace

Params: TypeAlias = "Mapping[str, str | int | float]"

PREFILLED: Final = "prefilled"
"""The shared stream of saturated trials."""

_START_NS: Final = 10_000_000
"""Of a round-trip trial: for the start of each session."""
_READY_NS: Final = 100_000_000
"""For the last reader to be there, and again for the last way up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """What a client sends to its stream: the events of the producer `ticker`, each when it is due there."""

    ready_ns: int
    """When the way up is made ready, so that the first message needn't wait for a connection. As all such times,
    after the start of the trial's clock."""
    at_ns: int
    """When the schedule begins."""
    params: Params
    """Of `ticker`; seeded and pure, so that the echoes can be judged without a record of what was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A client that starts a stream at its time and reads it to its end."""

    at_ns: int
    """After the start of the trial's clock."""
    producer: str
    params: Params
    messages: Messages | None = None

    @property
    def schedule_ns(self) -> int:
        """When its events begin to be due, after the start of the trial's clock, as far as the engine decides it."""
        return self.at_ns if self.messages is None else self.messages.at_ns


def sessions(load: Load, *, seed: int, round_number: int, trace: Trace | None = None) -> list[Session]:
    """Return the sessions of a round in the order of their times.

    The same seed and round give the same sessions, so that all lanes of a round carry the same load. With a trace, its
    times and token counts take the place of the scenario's.
    """
    # Simulated arrivals, not cryptography.
    rng = random.Random(f"{seed}/{round_number}")  # noqa: S311
    if trace is None:
        spread_ns = load.spread * 1e9
        arrivals = sorted(round(rng.random() * spread_ns) for _ in range(load.clients))
        counts: Sequence[int | None] = [load.count] * load.clients
    else:
        arrivals = [request.at_ns for request in trace.requests]
        counts = [request.tokens for request in trace.requests]
    return [
        Session(at_ns=at_ns, producer="tokens", params=_params(load, count, rng.getrandbits(31)))
        for at_ns, count in zip(arrivals, counts, strict=True)
    ]


def warm_up(load: Load) -> Session:
    """Return a short session that is run before the clock starts, so that the first measured one isn't the first."""
    return Session(at_ns=0, producer="tokens", params={**_params(load, 20, 1), "rate": 1_000.0, "ttft": 0.0})


def prefilled(saturated: Saturated, seed: int) -> Session:
    """Return the shared stream of a saturated trial, all of it due at once when the server starts."""
    return Session(
        at_ns=0,
        producer="ticker",
        params={"arrivals": "at-once", "count": saturated.events, "size": saturated.size, "seed": seed},
    )


def settle_ns(rtt: Rtt) -> int:
    """Return when the window of a round-trip trial begins: the sessions have been started, and nothing is sent yet."""
    return rtt.clients * _START_NS + 2 * _READY_NS


def conversations(rtt: Rtt, *, seed: int, round_number: int) -> list[Session]:
    """Return the clients of a round, started one after the other before the first of them sends.

    The same seed and round give the same messages at the same times.
    """
    # Simulated arrivals, not cryptography.
    rng = random.Random(f"{seed}/{round_number}/rtt")  # noqa: S311
    begins = (settle_ns(rtt) + round(rng.random() * 1e9 / rtt.rate) for _ in range(rtt.clients))
    return [
        _conversation(rtt, n * _START_NS, begin_ns, rtt.messages, rng.getrandbits(31))
        for n, begin_ns in enumerate(begins)
    ]


def warm_up_conversation(rtt: Rtt) -> Session:
    """Return a short one that is held before the clock starts."""
    return _conversation(dataclasses.replace(rtt, rate=100.0), 0, 2 * _READY_NS, 10, 1)


def _conversation(rtt: Rtt, at_ns: int, begin_ns: int, count: int, seed: int) -> Session:
    params = {"arrivals": rtt.arrivals, "count": count, "rate": rtt.rate, "size": rtt.size, "seed": seed}
    messages = Messages(ready_ns=begin_ns - _READY_NS, at_ns=begin_ns, params=params)
    return Session(at_ns=at_ns, producer="echo", params={"count": count}, messages=messages)


def _params(load: Load, count: int | None, seed: int) -> dict[str, str | int | float]:
    params: dict[str, str | int | float] = {"rate": load.rate, "ttft": load.ttft, "sigma": load.sigma, "seed": seed}
    if load.text is not None:
        params["text"] = load.text
    if count is not None:
        params["count"] = count
    return params
