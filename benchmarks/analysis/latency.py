"""Latencies of the events that a trial's readers got, by the journal of the producer."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from statistics import median
from typing import Final

from streamlanes.benchmarks.analysis import caveats
from streamlanes.benchmarks.analysis.figures import Figures, Heat
from streamlanes.benchmarks.analysis.histogram import Histogram
from streamlanes.benchmarks.analysis.join import Times, first_event_ns, join
from streamlanes.benchmarks.analysis.recorded import Recorded
from streamlanes.producers.pacing.journal import Stamp

HEAT_ROWS: Final = 40
HEAT_EDGES: Final = tuple(10 ** (step / 8 - 2) for step in range(49))
"""Milliseconds: from 0.01 to 10,000, eight cells a decade."""
PARTS: Final = 5
"""Number of parts of the window, the first and the last of which tell whether a backlog grew."""


def add_latency(recorded: Recorded, found: Figures) -> None:
    """Add the event latency, its parts, what came in time, and whether a backlog grew.

    Where server and readers have different clocks, all that is absent, and a caveat says so. Raises JoinError, and
    FileNotFoundError for a stream without a journal.
    """
    if not recorded.one_clock:
        found.caveats += caveats.no_one_way_times(journaled=recorded.trial.journaled)
        _add_rate(recorded, found)
        return
    times = Times()
    longest: dict[str, int] = {}
    journals: dict[str, Sequence[Stamp]] = {}
    for reader, column in recorded.readings:
        if reader.epoch not in journals:
            journals[reader.epoch] = recorded.stamps(reader)
        of_stream = journals[reader.epoch]
        after = _warm_up(of_stream, recorded.trial.warm_up)
        join(column, of_stream, times, after=after)
        # An event of a stream is one independent sample, however many readers got it.
        longest[reader.epoch] = max(longest.get(reader.epoch, 0), len(column.offsets) - after)
    if not times.latency:
        return
    samples = sum(longest.values())
    found.times("latency", times.latency, samples)
    for name in ("lag", "queueing", "delivery"):
        found.times(name, getattr(times, name), samples)
    begin_ns, _ = recorded.window_ns
    deadline_ns = recorded.trial.deadline * 1e9
    due = array("q", map(recorded.own_time.at, times.due))
    in_time = sum(value <= deadline_ns for value in times.latency)
    found.numbers["in_time"] = in_time / len(times.latency)
    found.numbers["goodput"] = in_time / recorded.span_ns * 1e9
    found.deliveries = sum(received >= begin_ns for _, column in recorded.readings for received in column.received)
    found.heat = heat(due, times.latency)
    found.backlog = backlog_grew(due, times.latency, deadline_ns)
    found.caveats += caveats.harness_lag(found.numbers.get("lag_p99_ms"), found.numbers.get("latency_p50_ms"))


def add_first_event(recorded: Recorded, found: Figures) -> None:
    """Add the making of connections, the time to first event, and how late the engine was in starting sessions."""
    readings = [reading for reading in recorded.readings if reading.column.received]
    connects = [reader.connect_ns for reader, _ in readings if reader.connect_ns is not None]
    if len(connects) == len(readings):
        found.times("connect", connects)
        found.times("first_event", (first_event_ns(reader, column) for reader, column in readings))
    start_lag = Histogram(reader.request_ns - reader.scheduled_ns for reader, _ in readings)
    found.caveats += caveats.start_lag(start_lag.max, found.numbers.get("latency_p50_ms"))


def _add_rate(recorded: Recorded, found: Figures) -> None:
    """Add the deliveries a second: what the readers can tell of a stream's pace without its journal."""
    begin_ns, _ = recorded.window_ns
    if len({(engine.boot_id, engine.time_namespace) for engine in recorded.engines}) == 1:
        found.deliveries = sum(received >= begin_ns for _, column in recorded.readings for received in column.received)
        found.numbers["rate"] = found.deliveries / recorded.span_ns * 1e9


def heat(due: Sequence[int], latency: Sequence[int]) -> Heat:
    """Count the deliveries by when they were due and how late they came; the extreme cells take what is beyond them."""
    first = min(due)
    step = max(max(due) - first, 1) / HEAT_ROWS
    counts = [[0] * (len(HEAT_EDGES) - 1) for _ in range(HEAT_ROWS)]
    for at, value in zip(due, latency, strict=True):
        row = min(int((at - first) / step), HEAT_ROWS - 1)
        cell = bisect_right(HEAT_EDGES, value / 1e6) - 1
        counts[row][min(max(cell, 0), len(HEAT_EDGES) - 2)] += 1
    return Heat(
        seconds=tuple(n * step / 1e9 for n in range(HEAT_ROWS + 1)),
        milliseconds=HEAT_EDGES,
        counts=tuple(tuple(row) for row in counts),
    )


def backlog_grew(due: Sequence[int], latency: Sequence[int], deadline_ns: float) -> bool:
    """Say whether the lane fell behind its load.

    That is: in the last fifth of the time half of the events came after the deadline, and twice as late as in the
    first fifth at least. A lane that is merely slow is as late at the end as at the beginning.
    """
    first, last = min(due), max(due)
    part = (last - first) / PARTS
    begin = array("q", (value for at, value in zip(due, latency, strict=True) if at <= first + part))
    end = array("q", (value for at, value in zip(due, latency, strict=True) if at >= last - part))
    late = median(end)
    return late > deadline_ns and late > 2 * median(begin)


def _warm_up(stamps: Sequence[Stamp], seconds: float) -> int:
    """Return the offset of the last event that is due within *seconds* of the first."""
    if not seconds or not stamps:
        return 0
    until = stamps[0].due + math.ceil(seconds * 1e9)
    return bisect_right(stamps, until, key=lambda stamp: stamp.due)
