"""What a path can do to a connection, as values, and the schedules that say which connection suffers what.

The words are those of `tc netem` (delay, jitter) and toxiproxy (bandwidth, reset). Times are in seconds, sizes in
bytes. `up` is from the client to the server, `down` from the server to the client.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Direction: TypeAlias = Literal["up", "down"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The lasting properties of one direction; by default there are none. Raises ValueError for what can't be.

    Bytes are first gathered, then delayed, then sent at the bandwidth. They never overtake each other.
    """

    delay: float = 0.0
    jitter: float = 0.0
    """What one read brings is delayed by `delay` ± `jitter`, uniformly, and no less than 0; but not before what came
    first."""
    bandwidth: float | None = None
    """Bytes per second. In any window of w seconds at most `bandwidth` x (w + 0.02) pass, or two bytes more than
    `bandwidth` x w, where that is more."""
    buffer_bytes: int = 0
    buffer_seconds: float = math.inf
    """Bytes are held until there are `buffer_bytes` of them, or the first has been held for `buffer_seconds`, or the
    sender has ended; then all that are held go on. 0 bytes: nothing is held. No more than a direction's bound is ever
    held (`delayline.MAX_BYTES`)."""

    def __post_init__(self) -> None:
        if not (0 <= self.delay < math.inf and 0 <= self.jitter < math.inf):
            raise ValueError("a delay and its jitter are 0 or more seconds")
        if self.bandwidth is not None and not 0 < self.bandwidth < math.inf:
            raise ValueError("a bandwidth is more than 0 bytes/s, or None for as many as there are")
        if self.buffer_bytes < 0 or not self.buffer_seconds >= 0:
            raise ValueError("a buffer holds 0 or more bytes for 0 or more seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class _AtByte:
    """Happens when exactly so many bytes have been delivered in one direction; 0: as soon as both sides are there."""

    after_bytes: int = 0
    direction: Direction = "down"

    def __post_init__(self) -> None:
        if self.after_bytes < 0:
            raise ValueError("a fault comes after 0 or more bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut(_AtByte):
    """Both sides get a FIN behind what was delivered to them; all else is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset(_AtByte):
    """Both sides get a RST. It may destroy bytes that a side has been sent but hasn't read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall(_AtByte):
    """Nothing passes either way for so many seconds, then everything goes on; nothing is lost."""

    seconds: float

    def __post_init__(self) -> None:
        _AtByte.__post_init__(self)
        if not self.seconds >= 0:
            raise ValueError("a stall takes 0 or more seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfOpen(_AtByte):
    """Nothing passes either way any more, not even a FIN, and both connections stay open.

    As with a peer that lost its power, or a NAT that forgot: writers succeed until the kernel's buffers are full.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class DropResponse:
    """The connection's n-th request reaches the server, its response doesn't reach the client, and both are cut.

    Needs no HTTP: bytes up after bytes down begin a request. As soon as a request has begun to go up, the first bytes
    to come down are its response; when these arrive, so that the server has answered, they are thrown away and the
    connection is cut as by `Cut`. Exact where requests aren't pipelined.
    """

    request: int = 1

    def __post_init__(self) -> None:
        if self.request < 1:
            raise ValueError("requests are counted from 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """This connection begins with another link than the relay's, in one direction (None: in both)."""

    link: Link
    direction: Direction | None = None


Fault: TypeAlias = Cut | Reset | Stall | HalfOpen | DropResponse | Shape
AtByte: TypeAlias = Cut | Reset | Stall | HalfOpen

Schedule: TypeAlias = Callable[[int, random.Random], Sequence[Fault]]
"""What the connection with this index (from 0, in the order of acceptance) suffers.

Whatever is random comes from the generator, which is the connection's own.
"""


def plan(schedule: Schedule, seed: int, index: int) -> Sequence[Fault]:
    """Return what the connection *index* suffers; it depends on nothing else, so that a run can be repeated."""
    return schedule(index, random.Random(f"{seed}:{index}"))  # noqa: S311 (faults, not keys)


def at_bytes(direction: Direction, faults: Sequence[Fault]) -> Sequence[AtByte]:
    """Return those that come after so many bytes in *direction*, in their order."""
    found = [fault for fault in faults if isinstance(fault, AtByte) and fault.direction == direction]
    return sorted(found, key=lambda fault: fault.after_bytes)


def shaped(direction: Direction, links: Mapping[Direction, Link], faults: Sequence[Fault]) -> Link:
    """Return the link that a connection with *faults* begins with: its own, or else that of *links*."""
    own = [fault.link for fault in faults if isinstance(fault, Shape) and fault.direction in {direction, None}]
    return own[-1] if own else links[direction]


def no_faults(_: int, __: random.Random) -> Sequence[Fault]:
    """The schedule that leaves every connection alone."""
    return ()


def always(*faults: Fault) -> Schedule:
    """Return the schedule that does the same to every connection."""
    return lambda _, __: faults


def cut_between(least: int, below: int, *, directions: Sequence[Direction] = ("up", "down")) -> Schedule:
    """Return the schedule that cuts every connection in one of *directions*, at a byte in [*least*, *below*).

    Raises ValueError if there is no such byte.
    """
    if not 0 <= least < below:
        raise ValueError(f"there is no byte from {least} to before {below}, counting from 0")
    return lambda _, rng: [Cut(direction=rng.choice(directions), after_bytes=rng.randrange(least, below))]


def every(nth: int, schedule: Schedule) -> Schedule:
    """Return *schedule* for the n-th connection, the 2n-th and so on, and no faults for the others; n is 1 or more."""
    if nth < 1:
        raise ValueError("every 1st connection is the most there is")
    return lambda index, rng: () if (index + 1) % nth else schedule(index, rng)
