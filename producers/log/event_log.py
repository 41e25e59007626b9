"""The event log: append-only, bounded, many readers, one read primitive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from streamlanes.producers.events import After, Cursor, Event, Item, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How much of a stream is kept. The oldest events go first; readers that still wanted them are told."""

    max_events: int = 10_000
    max_bytes: int = 16 * 1024 * 1024
    """Bytes of `Event.data`, in UTF-8."""
    max_age: float = 600.0
    """Seconds since the append."""
    max_event_bytes: int = 1024 * 1024
    """Bytes of one event's data; a larger one isn't appended."""

    def __post_init__(self) -> None:
        if self.max_events < 1 or self.max_bytes < 1 or self.max_event_bytes < 1 or not self.max_age > 0:
            raise ValueError("retention must keep at least one event, one byte and some time")


@dataclass(frozen=True, slots=True)
class Batch:
    """What a read returns."""

    events: tuple[Event, ...]
    """Consecutive offsets; empty after a time-out, or at the end."""
    cursor: Cursor
    """Place to read on from; resolved, also when there are no events."""
    outcome: Outcome | None
    """How the stream ended, as soon as the reader has everything up to `cursor` and nothing is to come."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """A stream at a glance."""

    oldest: Cursor
    """Just before the first event held."""
    head: Cursor
    """The last event appended."""
    bytes: int
    """Bytes of data held."""
    outcome: Outcome | None


class EventLog(Protocol):
    """Streams of events by name.

    All methods raise UnknownStream for a name that wasn't created or has been removed.
    """

    async def create(self, stream: str, retention: Retention) -> Cursor:
        """Make an empty stream under a new epoch, in place of any of that name; return its cursor at offset 0."""
        ...

    async def append(self, stream: str, items: Sequence[Item]) -> Cursor:
        """Append *items* in order and wake the waiting readers once; return the new head.

        All or none: raises InvalidItem or EventTooLarge before anything is appended, StreamEnded after `finish`.
        """
        ...

    async def read(self, stream: str, after: After, *, limit: int, max_bytes: int, wait: float) -> Batch:
        """Return the events after *after*, in offset order and without gaps.

        At most *limit* of them, and no more than fit into *max_bytes* of data, but at least one if there is one.
        When there are none, waits up to *wait* seconds for the first; an append, the end or a deletion ends the
        waiting, and so does the cancellation of the caller. Reading takes nothing away: the same cursor gives the
        same events again.

        Raises CursorExpired for another epoch, a cursor beyond the head, or one whose successor is no longer held.
        """
        ...

    async def wake(self, stream: str) -> None:
        """End the waiting of this process's readers of *stream*, who get an empty batch."""
        ...

    async def finish(self, stream: str, outcome: Outcome) -> None:
        """End the stream; readers get what they still lack, then *outcome*. The first outcome stays."""
        ...

    async def delete(self, stream: str) -> None:
        """Drop the events and tell readers `deleted`, at once and, to late ones, for a minute; then it is unknown."""
        ...

    async def remove(self, stream: str) -> None:
        """Drop the stream without a trace, when nobody is left to be told: it is unknown from now on."""
        ...

    async def info(self, stream: str) -> StreamInfo:
        """Return the stream's extent and state."""
        ...
