"""What is on its way in one direction. No I/O and no clock: bytes and times in, bytes and times out."""

from __future__ import annotations

import math
import random
from collections import deque
from typing import Final

from streamlanes.benchmarks.relay.faults import Link

MAX_BYTES: Final = 1 << 20
MAX_CHUNKS: Final = 1 << 14
"""Bounds of a line. With a delay of d seconds it carries MAX_BYTES / d bytes per second at most."""

BURST: Final = 0.02
"""Seconds of bandwidth that a sender who came late may catch up on, and no more than that at once."""

QUANTUM: Final = 0.002
"""Seconds of bandwidth that are sent in one go, where so much is waiting."""

EPSILON: Final = 1e-6
"""Seconds. Without them rounding would ask to be called a hair too early, again and again."""

_NOTHING: Final = memoryview(b"")


class DelayLine:
    """Bytes in order, and when each may be let out. Its times are any one clock's, in seconds.

    `put` and `end` bring bytes and their end; `due` says what may go out, `sent` takes it away.
    """

    def __init__(self, link: Link, rng: random.Random) -> None:
        self.link = link
        """May be replaced: for the bytes put from then on, and for their bandwidth and gathering at once."""
        self._rng = rng
        self._gathered = bytearray()
        self._gathering_since = 0.0
        self._gathered_last = 0.0
        self._chunks: deque[tuple[float, memoryview]] = deque()
        self._size = 0
        self._link_free = -math.inf
        self._stalled_until = -math.inf
        self._end_due: float | None = None

    def room(self, now: float) -> int:
        """Return how many bytes it will take now: none while something waits that is due, or when it is full."""
        if self._chunks and (self._chunks[0][0] <= now or len(self._chunks) >= MAX_CHUNKS):
            return 0
        return MAX_BYTES - self._size

    def put(self, data: bytes, now: float) -> None:
        """Take *data*, no more than there is `room`."""
        self._size += len(data)
        self._gather(now)
        if self.link.buffer_bytes:
            if not self._gathered:
                self._gathering_since = now
            self._gathered += data
            self._gathered_last = now
            self._gather(now)
        else:
            self._delay(data, now)

    def end(self, now: float) -> None:
        """Nothing comes any more. The end is delayed like bytes, and is `over` after them."""
        self._gather(now)
        self._release(now)
        self._end_due = self._arrival(now)

    def stall(self, until: float) -> None:
        """Let nothing out before *until*, instead of what was said before."""
        self._stalled_until = until

    def over(self, now: float) -> bool:
        """Whether everything has gone out and the end is due."""
        return self._end_due is not None and not self._chunks and now >= max(self._end_due, self._stalled_until)

    def due(self, now: float, limit: float) -> tuple[memoryview, float | None]:
        """Return bytes that may go out now, at most *limit* (1 or more), and when to ask again if there are none.

        None instead of a time: not before more is put. There may be more bytes behind these.
        """
        self._gather(now)
        at = math.inf
        if self._chunks:
            at, chunk = self._chunks[0]
            if at <= now and self._stalled_until <= now:
                allowed, at = self._allowed(min(len(chunk), limit), now)
                if allowed:
                    return chunk[:allowed], now
        elif self._gathered:
            at = self._gathering_since + self.link.buffer_seconds
        elif self._end_due is not None:
            at = self._end_due
        at = max(at, self._stalled_until)
        return _NOTHING, at if at < math.inf else None

    def sent(self, count: int) -> None:
        """Take away the first *count* bytes of what was `due`."""
        at, chunk = self._chunks.popleft()
        if count < len(chunk):
            self._chunks.appendleft((at, chunk[count:]))
        self._size -= count
        if self.link.bandwidth is not None:
            self._link_free += count / self.link.bandwidth

    def _allowed(self, wanted: float, now: float) -> tuple[int, float]:
        """Return how many of the *wanted* bytes the bandwidth has room for now, and when for some."""
        bandwidth = self.link.bandwidth
        if bandwidth is None:
            return int(wanted), now
        # Two bytes, since with less than one of credit nothing would ever go.
        credit = max(BURST, 2 / bandwidth)
        self._link_free = max(self._link_free, self._chunks[0][0], now - credit)
        allowed = int((now - self._link_free) * bandwidth)
        least = int(min(wanted, max(1, QUANTUM * bandwidth)))
        if allowed < least:
            return 0, self._link_free + least / bandwidth + EPSILON
        return int(min(allowed, wanted)), now

    def _gather(self, now: float) -> None:
        """Let go on what has been held long enough, or is enough."""
        ends = self._gathering_since + self.link.buffer_seconds
        if len(self._gathered) >= min(self.link.buffer_bytes, MAX_BYTES):
            self._release(now)
        elif ends <= now:
            # A link that has come meanwhile may say that it should have been before the last bytes came.
            self._release(max(ends, self._gathered_last))

    def _release(self, now: float) -> None:
        if self._gathered:
            self._delay(bytes(self._gathered), now)
            self._gathered.clear()

    def _delay(self, data: bytes, now: float) -> None:
        # Jitter may make it due before the chunk ahead of it; it waits behind that all the same.
        self._chunks.append((self._arrival(now), memoryview(data)))

    def _arrival(self, now: float) -> float:
        jitter = self._rng.uniform(-self.link.jitter, self.link.jitter)
        return now + max(self.link.delay + jitter, 0.0)
