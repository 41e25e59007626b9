"""Times between events, as a reader saw them, and how much they differ from the producer's."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Final

from streamlanes.benchmarks.analysis.figures import Figures
from streamlanes.benchmarks.analysis.recorded import Recorded

GAIN: Final = 16
"""Gain of the jitter's running mean (RFC 3550 §6.4.1)."""


def add_intervals(recorded: Recorded, found: Figures) -> None:
    """Add inter-arrival times, time per output token and, where it can be known, jitter.

    Raises FileNotFoundError for a stream without a journal.
    """
    readings = [reading for reading in recorded.readings if len(reading.column.received) > 1]
    columns = [[recorded.own_time.at(at_ns) for at_ns in column.received] for _, column in readings]
    found.times("interarrival", (later - one for received in columns for one, later in pairwise(received)))
    spans = [(received[-1] - received[0], len(received) - 1) for received in columns]
    found.times("tpot", (span // steps for span, steps in spans))
    if recorded.one_clock and readings:
        dues = {
            epoch: recorded.stamps(reader)
            for epoch, reader in {one.reader.epoch: one.reader for one in readings}.items()
        }
        found.numbers["jitter_ms"] = median(
            jitter([dues[reader.epoch][offset - 1].due for offset in column.offsets], column.received) / 1e6
            for reader, column in readings
        )


def jitter(due: Sequence[int], received: Sequence[int]) -> float:
    """Return the interarrival jitter of RFC 3550 §6.4.1 after the last event: J += (|D| - J) / 16.

    D is the difference of two events' transit times; the times at which they were due take the place of RTP's stamps.
    """
    transit = [came - was for was, came in zip(due, received, strict=True)]
    mean = 0.0
    for one, later in pairwise(transit):
        mean += (abs(later - one) - mean) / GAIN
    return mean
