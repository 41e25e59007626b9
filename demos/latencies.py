"""One lane's latencies: when its events were received, and when they were due, which is known a little later."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from math import ceil
from typing import Final

SLICES: Final = 240
"""Number of slices that are remembered."""
WINDOW_NS: Final = 30_000_000_000
EVENTS: Final = 10_000
"""Whose latencies are: the last ones, of those due in the last 30 s of them."""


class Latencies:
    """Joins receive times with due times, both of CLOCK_MONOTONIC; counts from due to received, in nanoseconds."""

    def __init__(self) -> None:
        self.slices: deque[int | None] = deque(maxlen=SLICES)
        """The largest latency of each `slice`; None: no event was received in it."""
        self._recent: deque[tuple[int, int]] = deque()
        """Due times and latencies."""
        self._sorted: list[int] = []
        self._waiting: deque[tuple[int, int]] = deque()
        self._worst: int | None = None

    def received(self, offset: int, at_ns: int) -> None:
        """An event has come; offsets ascend."""
        self._waiting.append((offset, at_ns))

    def join(self, due: Sequence[int]) -> None:
        """Take the due times of events 1 and on, as far as they are known."""
        while self._waiting and self._waiting[0][0] <= len(due):
            offset, at_ns = self._waiting.popleft()
            latency = at_ns - due[offset - 1]
            self._remember(due[offset - 1], latency)
            self._worst = latency if self._worst is None else max(self._worst, latency)

    def slice(self) -> None:
        """End a slice of time."""
        self.slices.append(self._worst)
        self._worst = None

    def percentiles(self, *wanted: float) -> Sequence[int] | None:
        """Return the latencies that so many percent of those remembered are not above; None: there are none."""
        count = len(self._sorted)
        return [self._sorted[max(ceil(count * each / 100), 1) - 1] for each in wanted] if count else None

    def _remember(self, due: int, latency: int) -> None:
        self._recent.append((due, latency))
        insort(self._sorted, latency)
        while len(self._recent) > EVENTS or self._recent[0][0] < due - WINDOW_NS:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft()[1])]
