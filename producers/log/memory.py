"""The event log of one process, in its memory."""

from __future__ import annotations

import asyncio
import secrets
import string
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Final

from streamlanes.producers.errors import CursorExpired, EventTooLarge, StreamEnded, UnknownStream
from streamlanes.producers.events import After, Cursor, Event, Item, Outcome, check_type, encode_json
from streamlanes.producers.log.event_log import Batch, EventLog, Retention, StreamInfo
from streamlanes.producers.timer_wheel import TimerWheel

TOMBSTONE_SECONDS: Final = 60.0


def new_epoch() -> str:
    """Return a name for a new incarnation of a stream."""
    return "".join(secrets.choice(string.digits + string.ascii_lowercase) for _ in range(10))


class MemoryLog:
    """Streams in memory, for readers and writers on one event loop.

    However many readers wait on a stream, an append wakes each exactly once, and no reader polls. A reader that is
    cancelled leaves nothing behind.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, epochs: Callable[[], str] = new_epoch) -> None:
        self._clock = clock
        self._epochs = epochs
        self._streams: dict[str, _Stream] = {}
        self._tombstones: deque[tuple[float, str, _Stream]] = deque()
        self._deadlines = TimerWheel(_complete)

    async def create(self, stream: str, retention: Retention) -> Cursor:
        replaced = self._streams.get(stream)
        created = _Stream(self._epochs(), retention)
        self._streams[stream] = created
        if replaced is not None:
            replaced.delete()
        return created.head

    async def append(self, stream: str, items: Sequence[Item]) -> Cursor:
        return self._find(stream).append(items, self._clock())

    async def read(self, stream: str, after: After, *, limit: int, max_bytes: int, wait: float) -> Batch:
        found = self._find(stream)
        found.trim(self._clock())
        cursor = found.resolve(after)
        batch = found.take(cursor, limit, max_bytes)
        if batch.events or batch.outcome is not None or wait <= 0:
            return batch
        waiter = asyncio.get_running_loop().create_future()
        found.waiters.add(waiter)
        slot = self._deadlines.add(waiter, wait)
        try:
            await waiter
        finally:
            found.waiters.discard(waiter)
            self._deadlines.discard(waiter, slot)
        return found.take(cursor, limit, max_bytes)

    async def wake(self, stream: str) -> None:
        self._find(stream).wake()

    async def finish(self, stream: str, outcome: Outcome) -> None:
        self._find(stream).finish(outcome)

    async def delete(self, stream: str) -> None:
        found = self._find(stream)
        if found.outcome is not Outcome.DELETED:
            found.delete()
            self._tombstones.append((self._clock() + TOMBSTONE_SECONDS, stream, found))

    async def remove(self, stream: str) -> None:
        self._find(stream).delete()
        del self._streams[stream]

    async def info(self, stream: str) -> StreamInfo:
        found = self._find(stream)
        found.trim(self._clock())
        return StreamInfo(found.oldest, found.head, found.held_bytes, found.outcome)

    def _find(self, stream: str) -> _Stream:
        if self._tombstones:
            self._bury()
        found = self._streams.get(stream)
        if found is None:
            raise UnknownStream("there is no such stream here; start a new one")
        return found

    def _bury(self) -> None:
        now = self._clock()
        while self._tombstones and self._tombstones[0][0] <= now:
            _, name, stream = self._tombstones.popleft()
            if self._streams.get(name) is stream:
                del self._streams[name]


def _complete(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class _Stream:
    """One stream: the events held, how many bytes they are, since when, and who waits for more."""

    __slots__ = (
        "_appends",
        "_base",
        "_cut_bytes",
        "_dropped",
        "_ends",
        "_events",
        "epoch",
        "outcome",
        "retention",
        "waiters",
    )

    def __init__(self, epoch: str, retention: Retention) -> None:
        self.epoch = epoch
        self.retention = retention
        self.outcome: Outcome | None = None
        self.waiters: set[asyncio.Future[None]] = set()
        # events[i] has offset base + i + 1, and ends[i] is the bytes of data since the stream began, up to and with
        # it. The first `dropped` entries are no longer held; they are cut off now and then, since cutting moves all
        # the others. What has been cut had `cut_bytes` bytes.
        self._events: list[Event] = []
        self._ends: list[int] = []
        self._base = 0
        self._cut_bytes = 0
        self._dropped = 0
        self._appends: deque[tuple[float, int]] = deque()  # (time, last offset) of each append

    @property
    def head(self) -> Cursor:
        return Cursor(self.epoch, self._base + len(self._events))

    @property
    def oldest(self) -> Cursor:
        return Cursor(self.epoch, self._base + self._dropped)

    @property
    def held_bytes(self) -> int:
        return self._bytes_before(len(self._ends)) - self._bytes_before(self._dropped)

    def append(self, items: Sequence[Item], now: float) -> Cursor:
        if self.outcome is not None:
            raise StreamEnded(f"the stream has ended ({self.outcome}) and takes no more items")
        offset = self._base + len(self._events)
        new = [
            Event(offset + n, check_type(item.type), encode_json(item.value)) for n, item in enumerate(items, start=1)
        ]
        if not new:
            return self.head
        sizes = [len(event.data) if event.data.isascii() else len(event.data.encode()) for event in new]
        if max(sizes) > self.retention.max_event_bytes:
            raise EventTooLarge(
                f"an event of {max(sizes)} bytes is over the limit of {self.retention.max_event_bytes}; split it"
            )
        self._ends.extend(islice(accumulate(sizes, initial=self._bytes_before(len(self._ends))), 1, None))
        self._events.extend(new)
        self._appends.append((now, offset + len(new)))
        self.trim(now)
        self.wake()
        return self.head

    def trim(self, now: float) -> None:
        """Drop what retention no longer covers; the newest event always stays within count and bytes."""
        first = max(self._dropped, len(self._events) - self.retention.max_events)
        if self._ends:
            excess = self._ends[-1] - self.retention.max_bytes
            if excess > self._bytes_before(first):
                first = min(bisect_right(self._ends, excess - 1, first) + 1, len(self._events) - 1)
        while self._appends and self._appends[0][0] < now - self.retention.max_age:
            first = max(first, self._appends.popleft()[1] - self._base)
        while self._appends and self._appends[0][1] - self._base <= first:
            self._appends.popleft()
        self._dropped = first
        if first > 64 and first * 8 > len(self._events):
            self._cut(first)

    def _cut(self, count: int) -> None:
        self._cut_bytes = self._ends[count - 1]
        del self._events[:count]
        del self._ends[:count]
        self._base += count
        self._dropped -= count

    def _bytes_before(self, index: int) -> int:
        return self._ends[index - 1] if index else self._cut_bytes

    def resolve(self, after: After) -> Cursor:
        if after == "start":
            return self.oldest
        if after == "now":
            return self.head
        return after

    def take(self, cursor: Cursor, limit: int, max_bytes: int) -> Batch:
        if self.outcome is Outcome.DELETED:
            return Batch((), cursor, self.outcome)
        start = cursor.offset - self._base
        if cursor.epoch != self.epoch or not self._dropped <= start <= len(self._events):
            raise self._expired(cursor)
        stop = min(start + limit, len(self._events))
        if stop > start:
            allowed = self._bytes_before(start) + max_bytes
            if self._ends[stop - 1] > allowed:
                stop = max(bisect_right(self._ends, allowed, start, stop), start + 1)
            cursor = Cursor(self.epoch, self._base + stop)
        at_end = stop == len(self._events)
        return Batch(tuple(self._events[start:stop]), cursor, self.outcome if at_end else None)

    def _expired(self, cursor: Cursor) -> CursorExpired:
        oldest = self.oldest
        behind = cursor.epoch == self.epoch and cursor.offset < oldest.offset
        missing = oldest.offset - cursor.offset if behind else None
        return CursorExpired(cursor, oldest=oldest, head=self.head, missing=missing)

    def finish(self, outcome: Outcome) -> None:
        if self.outcome is None:
            self.outcome = outcome
            self.wake()

    def delete(self) -> None:
        self.outcome = Outcome.DELETED
        self.wake()
        self._base = self.head.offset
        self._cut_bytes = self._bytes_before(len(self._ends))
        self._dropped = 0
        # What is left is a tombstone, of which there may be thousands: they share what stays empty from now on.
        self._events, self._ends, self._appends, self.waiters, self.retention = _EMPTY

    def wake(self) -> None:
        for waiter in self.waiters:
            _complete(waiter)
        self.waiters.clear()


_EMPTY: Final[tuple[list[Event], list[int], deque[tuple[float, int]], set[asyncio.Future[None]], Retention]] = (
    [],
    [],
    deque(),
    set(),
    Retention(),
)

if TYPE_CHECKING:
    _log: EventLog = MemoryLog()
