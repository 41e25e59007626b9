"""Turns: the trials of a round side by side, each with its events in bursts while the others have none.

A machine's mood changes within seconds: here the same lane's CPU time per event differed by 15 % between trials that
followed each other, hardly at all between moments that did. Trials that take turns of a fraction of a second see the
same moods, so their ratio is nearly free of them, as the ratio of whole trials isn't. Each trial still has a server and
an engine of its own; while others have their turn both wait, which costs them nothing.

Figures that are shares of time, or of a second, are of the trial's own time: that of its turns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GAP: Final = 0.02
"""Seconds between two trials' turns, for the last events of one to be read before the first one's of the next."""

START_SECONDS: Final = 0.1
"""Seconds that starting each trial's stream may take, before the first turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """One trial's turns. Times are in seconds."""

    turn: float
    """Seconds in which its events are due, without its pauses as they would be alone."""
    pause: float
    """Seconds after each of them: the others' turns."""
    after: float
    """Seconds to when its first turn begins, counted from when it would begin alone."""

    @classmethod
    def at(cls, place: int, count: int, turn: float) -> Turns:
        """Return the turns of the trial at *place* (from 0) of *count*."""
        return cls(turn=turn, pause=count * (turn + GAP) - turn, after=count * START_SECONDS + place * (turn + GAP))

    def real(self, own: float) -> float:
        """Return when *own* seconds of its turns are over, in seconds from when the first one began."""
        return own + own // self.turn * self.pause


@dataclass(frozen=True, slots=True)
class OwnTime:
    """Tells how much of a trial's own time has passed. Nanoseconds; a trial without turns has all the time."""

    begin_ns: int = 0
    """Nanoseconds of CLOCK_MONOTONIC at which the first turn begins."""
    turn_ns: int = 0
    pause_ns: int = 0

    @classmethod
    def of(cls, turns: Turns | None, begin_ns: int) -> OwnTime:
        """Return the own time of a trial whose first turn began at *begin_ns*."""
        return cls() if turns is None else cls(begin_ns, round(turns.turn * 1e9), round(turns.pause * 1e9))

    def at(self, at_ns: int) -> int:
        """Return the own time at *at_ns*, which stands still in the pauses. Only differences mean something."""
        if not self.pause_ns:
            return at_ns
        turns, within = divmod(at_ns - self.begin_ns, self.turn_ns + self.pause_ns)
        return turns * self.turn_ns + min(within, self.turn_ns)
