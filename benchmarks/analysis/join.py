"""Latencies: the producer's journal and the reader's record, joined by (epoch, offset).

Nothing is stamped onto the wire for it. Both sides' times are of one CLOCK_MONOTONIC, or there is no
join (`Recorded.one_clock`).

| time | from | to |
| --- | --- | --- |
| event latency | due | received |
| harness lag | due | the pacer woke for it; 0 if the pump was awake already |
| queueing | the pacer woke, or due if that is later | appended to the log |
| delivery | appended | received |

The last three add up to the first. Of a message that is sent to an `echo` stream, and comes back as an event:

| time | from | to |
| --- | --- | --- |
| round trip | due | its echo was received |
| held | due | the message before it was gone, on wires where sending takes an answer; 0 if it was already |
| send lag | due, or the message before it was gone | the engine sent it |
| up | sent | appended to the log |
| down | appended | received |

The last four add up to the first. Latency starts at due, so that a stall is charged to all events that it delayed
(coordinated omission: G. Tene, "How NOT to Measure Latency"; wrk2).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from streamlanes.benchmarks.spec.records import Column, Reader, Sends
from streamlanes.producers.pacing.journal import Stamp


class JoinError(Exception):
    """The two sides can't be joined: the journal lacks events that were received."""


def _column() -> array[int]:
    return array("q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Nanoseconds, a value for each event, of one reader or several."""

    due: array[int] = field(default_factory=_column)
    """Nanoseconds of the clock at which each was due."""
    latency: array[int] = field(default_factory=_column)
    lag: array[int] = field(default_factory=_column)
    queueing: array[int] = field(default_factory=_column)
    delivery: array[int] = field(default_factory=_column)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrips:
    """Nanoseconds, a value for each message, of one client or several."""

    total: array[int] = field(default_factory=_column)
    held: array[int] = field(default_factory=_column)
    send_lag: array[int] = field(default_factory=_column)
    up: array[int] = field(default_factory=_column)
    down: array[int] = field(default_factory=_column)


def join(column: Column, stamps: Sequence[Stamp], times: Times, *, after: int = 0) -> None:
    """Add one reader's events to *times*, but for those up to offset *after*.

    Raises JoinError for an event that isn't in its stream's journal.
    """
    held = len(stamps)
    for offset, received in zip(column.offsets, column.received, strict=True):
        if not 1 <= offset <= held:
            raise JoinError(f"event {offset} was received, but the journal has {held} events")
        if offset <= after:
            continue
        due, woke, append = stamps[offset - 1]
        times.due.append(due)
        ready = max(woke, due)
        times.latency.append(received - due)
        times.lag.append(ready - due)
        times.queueing.append(append - ready)
        times.delivery.append(received - append)


def join_echoes(column: Column, sends: Sends, stamps: Sequence[Stamp] | None, trips: RoundTrips) -> None:
    """Add one client's round trips to *trips*: its message n is event n of its stream.

    Without *stamps*, which are of another clock or weren't recorded, there is no up and down: the rest is the engine's.
    Raises JoinError for an event that isn't in the stream's journal, or wasn't sent.
    """
    held = len(sends.sent) if stamps is None else min(len(stamps), len(sends.sent))
    for offset, received in zip(column.offsets, column.received, strict=True):
        if not 1 <= offset <= held:
            journaled = "" if stamps is None else f" and {len(stamps)} journaled"
            raise JoinError(f"event {offset} was received, but {len(sends.sent)} were sent{journaled}")
        due, ready, sent = sends.due[offset - 1], sends.ready[offset - 1], sends.sent[offset - 1]
        trips.total.append(received - due)
        trips.held.append(ready - due)
        trips.send_lag.append(sent - ready)
        if stamps is not None:
            append = stamps[offset - 1].append
            trips.up.append(append - sent)
            trips.down.append(received - append)


def first_event_ns(reader: Reader, column: Column) -> int:
    """Return the time to first event: from the request to the first event, without making the connection."""
    return column.received[0] - reader.request_ns - (reader.connect_ns or 0)
