"""The loop of the streaming lanes: read, frame, and say what a reader must know besides the events."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable
from typing import Final, TypeVar

from producers import wire
from producers.errors import CursorExpired, UnknownStream
from producers.events import After, Cursor
from producers.log import Batch
from transports.framing import FrameCache, Framing
from transports.service import READ_BYTES, READ_EVENTS, StreamService

T = TypeVar("T")

FIRST_HEARTBEAT: Final = (0.5, 1.0)
"""The first wait is a random part of the heartbeat, so that readers that came together don't stay together."""


async def open_stream(service: StreamService, stream: str, after: After) -> Batch:
    """Return what is there after *after*, without waiting: the first read, from which `follow` goes on.

    It is made before the first byte, so that UnknownStream and CursorExpired can still become a status.
    """
    return await service.read(stream, after, limit=READ_EVENTS, max_bytes=READ_BYTES, wait=0)


async def follow(
    service: StreamService,
    stream: str,
    first: Batch,
    framing: Framing[T],
    cache: FrameCache[T],
    *,
    gap: CursorExpired | None = None,
    heartbeat: float = wire.HEARTBEAT,
    jitter: Callable[[float, float], float] = random.uniform,
) -> AsyncGenerator[T, None]:
    """Yield the stream from *first* on in the frames of a wire: `open`, the events, pings, gaps, and `end`.

    Events that are pending together come as one value. Returns without `end` if the stream is removed meanwhile.
    With *gap*, tells first what the reader has missed before *first*.
    """
    batch = first
    wait = heartbeat * jitter(*FIRST_HEARTBEAT)
    with service.reading(stream):
        yield framing.open(Cursor(batch.cursor.epoch, batch.cursor.offset - len(batch.events)), heartbeat)
        if gap is not None:
            yield framing.gap(gap.after, gap.oldest, gap.missing)
        while True:
            if batch.events:
                yield cache.frame(stream, batch)
            if batch.outcome is not None:
                yield framing.end(batch.cursor, batch.outcome)
                return
            try:
                batch = await service.read(stream, batch.cursor, limit=READ_EVENTS, max_bytes=READ_BYTES, wait=wait)
            except CursorExpired as expired:
                yield framing.gap(expired.after, expired.oldest, expired.missing)
                batch = Batch((), expired.oldest, None)
                continue
            except UnknownStream:
                return
            if not batch.events and batch.outcome is None:
                wait = heartbeat
                yield framing.ping()
