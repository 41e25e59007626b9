"""What a caller may choose about connections, the same for every wire."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from streamlanes.producers.backoff import MAX_PATIENCE, full_jitter
from streamlanes.producers.errors import CursorExpired
from streamlanes.producers.wire import WATCHDOG_GRACE

OnGap: TypeAlias = Literal["raise", "skip"] | Callable[[CursorExpired], None]
"""What to do when events are no longer held that the reader still lacks: see `Options.on_gap`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to reach a server, how long to wait for it, and how often to come back. Times are in seconds."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that are sent with every request, for instance `Authorization`."""
    proxy: str | None = None
    """The HTTP proxy to go through. Those that the environment names aren't used: the libraries under the four
    clients read it differently, and the same stream would take different ways."""
    open_timeout: float = 10.0
    """Seconds from connecting to the server's first word."""
    grace: float = WATCHDOG_GRACE
    """How much longer than the server's heartbeat a silence may last; then the connection counts as lost. It counts
    whole messages: a single event must come through in heartbeat + grace."""
    max_event_bytes: int = 16 * 1024 * 1024
    """Bytes that one event may take on the wire; of a longer one, or a line without end, no more are read, and
    ProtocolViolation is raised."""
    max_patience: float = MAX_PATIENCE
    """Seconds that a server's Retry-After is heeded for at most; then it is asked again. An hour by default."""
    attempts: int = 12
    """Give up when so many connections in a row have brought neither an event nor a ping: by default after a minute or
    two, more if the server asks for patience. 1: don't reconnect without progress."""
    first_delay: float = 0.5
    max_delay: float = 20.0
    """Bounds of the delay before the first attempt, and any."""
    on_gap: OnGap = "raise"
    """When events are gone that the reader still lacks (it was slower, or away longer, than the log remembers), or the
    log has begun anew (another epoch, a cursor beyond its head; how much is missing isn't known then, and offsets
    start again):

    - "raise": raise CursorExpired, with what is missing. The cursor stays where it was.
    - a function: tell it, between the events around the gap, then go on from the oldest event there is. If it raises,
      the reading breaks off there, and the cursor stays where it was.
    - "skip": log a warning and go on; `EventStream.gaps` has what was missed in this case and in the one before.
    """
    rng: Callable[[], float] = random.random
    """Uniform in [0, 1)."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    def __post_init__(self) -> None:
        if self.attempts < 1 or min(self.open_timeout, self.grace, self.first_delay, self.max_delay) <= 0:
            raise ValueError("times must be positive, and there must be at least one attempt")
        if self.max_event_bytes < 1 or self.max_patience < 0:
            raise ValueError("an event has at least a byte, and patience isn't negative")
        if self.on_gap not in {"raise", "skip"} and not callable(self.on_gap):
            raise ValueError(f"on_gap is {self.on_gap!r:.80}, not 'raise', 'skip' or a function")

    def delay(self, failures: int, retry_after: float = 0.0) -> float:
        """Return how long to wait before trying again, after so many failures in a row (1 or more).

        Back-off with full jitter. What the server asked for comes on top: as the floor, it would bring all of its
        clients back at the same moment.
        """
        return min(retry_after, self.max_patience) + full_jitter(
            failures, first=self.first_delay, longest=self.max_delay, rng=self.rng
        )


DEFAULTS = Options()
