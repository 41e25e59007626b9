"""What passed through a relay, and how its connections ended."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from streamlanes.benchmarks.relay.faults import Direction

REMEMBERED: Final = 10_000
"""Connections whose own counts are kept: the last ones accepted."""


class State(StrEnum):
    """Where a connection is; all but the first three are ends."""

    CONNECTING = "connecting"
    """Accepted; the server isn't connected yet."""
    OPEN = "open"
    HALF_OPEN = "half-open"
    """Open for both sides, but nothing passes any more."""
    CLOSED = "closed"
    """Both sides have ended, and were told of each other's end."""
    CUT = "cut"
    RESET = "reset"
    LOST = "lost"
    """One side reset its connection; the other was reset then."""
    REFUSED = "refused"
    """The server couldn't be reached, or the relay refused; the client was reset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """A relay's counts at one moment. Connections are counted in the state that they are in then."""

    up: int
    """Bytes delivered to the server."""
    down: int
    """Bytes delivered to clients."""
    accepted: int
    """Number of connections in all states."""
    connecting: int
    open: int
    half_open: int
    closed: int
    cut: int
    reset: int
    lost: int
    refused: int


class Tally:
    """One connection's counts, kept up to date. Bytes are counted once the receiving side's kernel has them."""

    def __init__(self, index: int, total: Tallies) -> None:
        self.index = index
        """From 0, in the order of acceptance."""
        self.up = 0
        self.down = 0
        self.state = State.CONNECTING
        self._total = total

    def passed(self, direction: Direction, count: int) -> None:
        """Count bytes."""
        if direction == "up":
            self.up += count
            self._total.up += count
        else:
            self.down += count
            self._total.down += count

    def move(self, state: State) -> None:
        """Count the connection as being in *state* from now on."""
        self._total.states[self.state] -= 1
        self._total.states[state] += 1
        self.state = state


class Tallies:
    """All connections' counts."""

    def __init__(self) -> None:
        self.up = 0
        self.down = 0
        self.states: Counter[State] = Counter()
        self._connections: deque[Tally] = deque(maxlen=REMEMBERED)
        self._accepted = 0

    def accept(self) -> Tally:
        """Begin to count one more connection."""
        tally = Tally(self._accepted, self)
        self._accepted += 1
        self.states[tally.state] += 1
        self._connections.append(tally)
        return tally

    @property
    def connections(self) -> Sequence[Tally]:
        """The last REMEMBERED connections, in the order of acceptance."""
        return tuple(self._connections)

    def counts(self) -> Counts:
        """Return what there is to count, as of now."""
        return Counts(
            up=self.up,
            down=self.down,
            accepted=self._accepted,
            **{state.name.lower(): self.states[state] for state in State},
        )
