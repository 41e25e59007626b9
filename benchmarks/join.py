"""Latencies: the producer's journal and the reader's record, joined by (epoch, offset).

Nothing is stamped onto the wire for it. Both sides' times are of one CLOCK_MONOTONIC, which `check_clocks` makes sure.

| time | from | to |
| --- | --- | --- |
| event latency | due | received |
| harness lag | due | the pump woke for it; 0 if it was awake already |
| queueing | the pump woke, or due if that is later | appended to the log |
| delivery | appended | received |

The last three add up to the first. Latency starts at due, so that a stall is charged to all events that it delayed
(coordinated omission: G. Tene, "How NOT to Measure Latency"; wrk2).
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.clocks import UNKNOWN
from benchmarks.records import Column, Engine, Reader, Trial
from producers.journal import Stamp


class JoinError(Exception):
    """The two sides can't be joined: other clocks, or the journal lacks events that were received."""


def _column() -> array[int]:
    return array("q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Nanoseconds, a value for each event, of one reader or several."""

    latency: array[int] = field(default_factory=_column)
    lag: array[int] = field(default_factory=_column)
    queueing: array[int] = field(default_factory=_column)
    delivery: array[int] = field(default_factory=_column)


def check_clocks(trial: Trial, engine: Engine) -> None:
    """Make sure that the server's and the engine's times are of the same clock. Raises JoinError."""
    server = (trial.boot_id, trial.time_namespace)
    reader = (engine.boot_id, engine.time_namespace)
    # Where the system doesn't tell, both are UNKNOWN: the engine is this machine's process, as the server is.
    if server != reader and UNKNOWN not in (*server, *reader):
        raise JoinError(f"server and engine don't share a clock: {server} and {reader}")


def join(column: Column, stamps: Sequence[Stamp], times: Times) -> None:
    """Add one reader's events to *times*. Raises JoinError for an event that isn't in its stream's journal."""
    held = len(stamps)
    for offset, received in zip(column.offsets, column.received, strict=True):
        if not 1 <= offset <= held:
            raise JoinError(f"event {offset} was received, but the journal has {held} events")
        due, woke, append = stamps[offset - 1]
        ready = max(woke, due)
        times.latency.append(received - due)
        times.lag.append(ready - due)
        times.queueing.append(append - ready)
        times.delivery.append(received - append)


def first_event_ns(reader: Reader, column: Column) -> int:
    """Return the time to first event: from the request to the first event, without making the connection."""
    return column.received[0] - reader.request_ns - reader.connect_ns
