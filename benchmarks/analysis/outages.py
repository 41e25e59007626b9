"""How readers came through faults: from a connection's end to the next new event, and who came back when."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from streamlanes.benchmarks.analysis.figures import Timeline
from streamlanes.benchmarks.analysis.join import JoinError
from streamlanes.benchmarks.analysis.recorded import Reading, Recorded
from streamlanes.benchmarks.relay.orders import LOG, ORDERED, ORDERS, SUFFERED, Suffered

BIN_NS: Final = 100_000_000
SECOND_NS: Final = 1_000_000_000


def suffered(folder: Path) -> Sequence[Suffered]:
    """Return the faults that a trial's connections had, in their order: all of them.

    Raises JoinError if there were fewer when the stream was over, and FileNotFoundError.
    """
    faults = ORDERS.validate_json((folder / ORDERED).read_bytes()).faults
    had = [SUFFERED.validate_json(line) for line in (folder / LOG).read_bytes().splitlines()]
    if len(had) < len(faults):
        raise JoinError(f"the stream was over after {len(had)} of {len(faults)} faults")
    return had


def recoveries(reading: Reading) -> list[int]:
    """Return, for each time that the reader was cut off, the nanoseconds until it got its next event.

    Connections that brought nothing belong to the cut before them. A cut after the last event has no next one.
    """
    reader, column = reading
    cut_before: dict[int, int] = {}
    for connection in reader.connections[:-1]:
        cut_before.setdefault(bisect_right(column.received, connection.ended_ns), connection.cut_ns)
    return [column.received[event] - cut for event, cut in cut_before.items() if event < len(column.received)]


def resent(offsets: Sequence[int]) -> int:
    """Return how many events came that had come before."""
    return len(offsets) - len(set(offsets))


def peak(times_ns: Iterable[int]) -> int:
    """Return the most of *times_ns* that lie within one second, wherever that begins."""
    ordered = sorted(times_ns)
    return max((bisect_left(ordered, at + SECOND_NS) - first for first, at in enumerate(ordered)), default=0)


def reconnects(recorded: Recorded) -> list[int]:
    """Return when readers asked for a connection, but for the first one of each."""
    return [connection.begun_ns for reader, _ in recorded.readings for connection in reader.connections[1:]]


def timeline(recorded: Recorded, faults: Sequence[Suffered]) -> Timeline:
    """Count the deliveries and reconnects of the window, and say when the faults were."""
    begin_ns, end_ns = recorded.window_ns
    bins = (end_ns - begin_ns) // BIN_NS + 1
    received = (at for _, column in recorded.readings for at in column.received)
    return Timeline(
        seconds=BIN_NS / 1e9,
        delivered=_binned(received, begin_ns, bins),
        reconnects=_binned(reconnects(recorded), begin_ns, bins),
        faults=tuple(((fault.at_ns - begin_ns) / 1e9, fault.what) for fault in faults),
    )


def _binned(times_ns: Iterable[int], begin_ns: int, bins: int) -> tuple[int, ...]:
    counts = [0] * bins
    for at in times_ns:
        place = (at - begin_ns) // BIN_NS
        if 0 <= place < bins:
            counts[place] += 1
    return tuple(counts)
