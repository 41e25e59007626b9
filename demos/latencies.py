"""One lane's latencies: when its events were received, and when they were due, which is known a little later."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from math import ceil
from typing import Final

SLICES: Final = 240
"""That are remembered."""
EVENTS: Final = 10_000
"""Whose latencies are: the last ones."""


class Latencies:
    """Joins receive times with due times, both of CLOCK_MONOTONIC; counts from due to received, in nanoseconds."""

    def __init__(self) -> None:
        self.slices: deque[int | None] = deque(maxlen=SLICES)
        """The largest latency of each `slice`; None: no event was received in it."""
        self._recent: deque[int] = deque()
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
            self._remember(latency)
            self._worst = latency if self._worst is None else max(self._worst, latency)

    def slice(self) -> None:
        """End a slice of time."""
        self.slices.append(self._worst)
        self._worst = None

    def percentiles(self, *wanted: float) -> Sequence[int] | None:
        """Return the latencies that so many percent of those remembered are not above; None: there are none."""
        count = len(self._sorted)
        return [self._sorted[max(ceil(count * each / 100), 1) - 1] for each in wanted] if count else None

    def _remember(self, latency: int) -> None:
        self._recent.append(latency)
        insort(self._sorted, latency)
        if len(self._recent) > EVENTS:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]
