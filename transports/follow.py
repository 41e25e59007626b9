"""What the streaming lanes have in common, and a read loop for each reader of those that have no writer (`writing/`).

The loop reads, frames, and says what a reader must know besides the events.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from typing import Final, Generic, NamedTuple, TypeVar

from streamlanes.producers.errors import CursorExpired, UnknownStream
from streamlanes.producers.events import After, Cursor
from streamlanes.producers.log.event_log import Batch
from streamlanes.transports.framing import FrameCache, Framing
from streamlanes.transports.service.service import READ_BYTES, READ_EVENTS, StreamService

T = TypeVar("T")

FIRST_HEARTBEAT: Final = (0.5, 1.0)
"""The first wait is a random part of the heartbeat, so that readers that came together don't stay together."""


class Opening(NamedTuple):
    """Where a reading begins."""

    stream: str
    first: Batch
    """What is there already."""
    gap: CursorExpired | None = None
    """What the reader has missed before, if it is to be told in the stream."""


class StreamingLane(Generic[T]):
    """What the connections of one streaming lane share."""

    def __init__(
        self,
        service: StreamService,
        name: str,
        framing: Framing[T],
        *,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.service = service
        self.name = name
        self.framing = framing
        self.cache = FrameCache(framing.events)
        self.metrics = service.metrics.lane(name)
        self.jitter = jitter

    async def open(self, stream: str, after: After) -> Batch:
        """Return what is there after *after*, without waiting: the first read, from which a Follower goes on.

        It is made before the first byte, so that UnknownStream and CursorExpired can still become a status.
        """
        return await self.service.read(stream, after, limit=READ_EVENTS, max_bytes=READ_BYTES, wait=0)

    def follow(self, stream: str, first: Batch, gap: CursorExpired | None = None) -> Follower[T]:
        """Return a stream from *first* on; with *gap*, it tells first what the reader has missed before."""
        return Follower(self, stream, first, gap)


class Follower(Generic[T]):
    """One connection's reading of a stream."""

    def __init__(self, lane: StreamingLane[T], stream: str, first: Batch, gap: CursorExpired | None) -> None:
        self._lane = lane
        self._stream = stream
        self._first = first
        self._gap = gap
        self.ended = False
        """Whether `end` has been told. Without it, the reader is to come back."""

    async def frames(self) -> AsyncGenerator[T, None]:
        """Yield the stream in the frames of its wire: `open`, the events, pings, gaps, and `end`.

        Events that are pending together come as one value. Returns without `end` if the stream is removed meanwhile,
        or the server is going away.
        """
        lane, batch, framing = self._lane, self._first, self._lane.framing
        now = asyncio.get_running_loop().time
        heartbeat = lane.service.settings.heartbeat
        ping_at = now() + heartbeat * lane.jitter(*FIRST_HEARTBEAT)
        leave_at: float | None = None
        yield framing.open(Cursor(batch.cursor.epoch, batch.cursor.offset - len(batch.events)), heartbeat)
        if self._gap is not None:
            yield framing.gap(self._gap.after, self._gap.oldest, self._gap.missing)
        while True:
            if batch.events:
                lane.service.sent(self._stream, batch, lane.metrics, live=batch is not self._first)
                yield lane.cache.frame(self._stream, batch)
                ping_at = now() + heartbeat
            if batch.outcome is not None:
                self.ended = True
                yield framing.end(batch.cursor, batch.outcome)
                return
            if leave_at is None and lane.service.draining:
                leave_at = self._leave_at(now())
            if leave_at is not None and leave_at <= now():
                yield framing.leave(lane.service.departure.back_in())
                return
            if ping_at <= now():
                yield framing.ping()
                ping_at = now() + heartbeat
            wait = (ping_at if leave_at is None else min(ping_at, leave_at)) - now()
            try:
                batch = await lane.service.read(
                    self._stream, batch.cursor, limit=READ_EVENTS, max_bytes=READ_BYTES, wait=max(wait, 0.001)
                )
            except CursorExpired as expired:
                yield framing.gap(expired.after, expired.oldest, expired.missing)
                batch = Batch((), expired.oldest, None)
            except UnknownStream:
                return

    def _leave_at(self, now: float) -> float | None:
        stays = self._lane.service.stays_for(self._stream)
        return None if stays is None else now + stays
