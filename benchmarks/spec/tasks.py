"""What the load engine may be told to do: three kinds of task, the same on every lane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from streamlanes.benchmarks.spec.sessions import SessionPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Start streams open loop, each at its time whatever has become of the others, and read each to its end."""

    sessions: tuple[SessionPlan, ...]
    warm_up: SessionPlan | None = None
    """Held before the clock starts, so that the first measured one isn't the first."""
    settle: float = 0.0
    """Seconds from the start of the clock to the window's; sessions may be started before it."""
    task: Literal["sessions"] = "sessions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rereading:
    """Read a shared stream that is complete from its start to its end, again and again, over one connection."""

    stream: str
    events: int
    """The stream is complete when its head is this offset; the clock starts then."""
    seconds: float
    """The stream is read again until so much time is measured."""
    task: Literal["rereading"] = "rereading"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnecting:
    """How a reader goes on whose connection ended before its stream: after the last event that it has, on a new one.

    It waits before, by exponential back-off with full jitter: uniformly between 0 and the first delay, which doubles
    with every connection that brought no event.
    """

    first_delay: float
    max_delay: float
    silence: float
    """Seconds without anything from the server after which a connection is given up."""
    seed: int
    """Seed of the delays; reader n draws the same ones on every lane."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Read one running stream with many readers, each on a connection of its own."""

    readers: int
    spread: float
    """Seconds over which they come, evenly, from the start of the engine's clock."""
    stay: float | None = None
    """Seconds after the window's begin at which all leave; None: at the stream's end."""
    probe: bool = False
    """Whether the server's memory and wake-ups are sampled too, as the readers come and afterwards."""
    traffic: bool = False
    """Whether what went over each connection is counted, as TCP has it."""
    reconnecting: Reconnecting | None = None
    """None: a connection that ends early is an error."""
    calibrate: bool = False
    """Whether the engine's own lag is measured, by the kernel's receive times."""
    task: Literal["audience"] = "audience"


Task: TypeAlias = Sessions | Rereading | Audience
