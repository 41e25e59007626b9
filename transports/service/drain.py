"""A server's going away: until when, and how its readers' leaving and coming back are spread over time."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

MIN_STAGGER: Final = 1.0
"""Seconds over which readers that were sent away come back, however little time there is."""

DRAINING_WAIT: Final = 1.0
"""Seconds that a poll may wait meanwhile."""


class Departure:
    """Not under way until it begins; then it isn't taken back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: float | None = None
        self._stagger = 0.0

    @property
    def under_way(self) -> bool:
        """Whether it has begun."""
        return self._until is not None

    def begin(self, seconds: float) -> None:
        """Begin, and be over in *seconds*; again, it may only become sooner."""
        until = self._clock() + seconds
        self._until = until if self._until is None else min(self._until, until)
        self._stagger = max(seconds, MIN_STAGGER)

    @property
    def left(self) -> float:
        """How many seconds are left."""
        return max((self._until or 0) - self._clock(), 0)

    def stay(self) -> float:
        """Return after how many seconds a reader is to be sent away, at random.

        Not in the last tenth, so that the last of them are told before the process goes.
        """
        return random.uniform(0, 0.9) * self.left  # noqa: S311 (spreading load)

    def back_in(self) -> float:
        """Return how many seconds a reader that is sent away is asked to wait.

        Until it is over, and then for a random part of as long again, so that they don't all come at once.
        """
        return self.left + random.uniform(0, self._stagger)  # noqa: S311 (spreading load)

    def patience(self, wait: float) -> float:
        """Return how long a poll that would wait *wait* seconds may: less meanwhile, but not nothing.

        A poll that isn't allowed to wait at all comes again at once, and again.
        """
        return min(wait, DRAINING_WAIT) if self.under_way else wait
