"""From a scenario to the sessions of a trial: fixed before it starts, the same on every lane."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from benchmarks.scenario import Load, Saturated
from benchmarks.trace import Trace

Params: TypeAlias = "Mapping[str, str | int | float]"

PREFILLED: Final = "prefilled"
"""The shared stream of saturated trials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A client that starts a stream at its time and reads it to its end."""

    at_ns: int
    """After the start of the trial's clock."""
    producer: str
    params: Params


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


def _params(load: Load, count: int | None, seed: int) -> dict[str, str | int | float]:
    params: dict[str, str | int | float] = {"rate": load.rate, "ttft": load.ttft, "sigma": load.sigma, "seed": seed}
    if load.text is not None:
        params["text"] = load.text
    if count is not None:
        params["count"] = count
    return params
