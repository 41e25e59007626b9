"""One task per stream and wire: it reads the log, and hands each batch to all readers that are at its place."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Final, Generic, Protocol, TypeVar

from streamlanes.producers.errors import CursorExpired, UnknownStream
from streamlanes.producers.events import Cursor, Outcome
from streamlanes.producers.log.event_log import Batch
from streamlanes.transports.follow import StreamingLane
from streamlanes.transports.framing import FrameCache
from streamlanes.transports.packing import Packed, Packing
from streamlanes.transports.service.service import READ_BYTES, READ_EVENTS

T = TypeVar("T")

logger = logging.getLogger("streamlanes")

AT_ONCE: Final = 32
"""Readers that are handed a batch between two looks at the clock."""
PASS_SECONDS: Final = 0.005
"""How long a pass keeps the event loop before others have their turn."""
STRIDE: Final = 0.618
"""By what part of its readers each pass begins further on: over a few passes, everybody is early and late."""
CACHED: Final = 16
"""Batches that are kept for readers that catch up together, or come back together."""
WAIT: Final = 60.0
"""Seconds of one wait for the next batch; what it ends with is another."""


class Place(Protocol[T]):
    """A reader, as its writer sees it."""

    offset: int
    """The last event that it has been handed."""

    def hand(self, packed: Packed[T]) -> None:
        """Send it."""
        ...

    def tell_gap(self, expired: CursorExpired) -> None:
        """Tell it that events are gone, and where it goes on."""
        ...

    def end(self, cursor: Cursor, outcome: Outcome) -> None:
        """Tell it the end."""
        ...

    def part(self) -> None:
        """End its connection without telling an end: it may come back."""
        ...

    def settle(self) -> None:
        """See to it that it gets to the head, by itself if it has to."""
        ...

    def abort(self) -> None:
        """End its connection at once."""
        ...

    def look_for_departure(self) -> None:
        """Be told that the server may be going away."""
        ...


class Writers(Generic[T]):
    """The writers of one lane, one for each stream that has readers at the head."""

    def __init__(
        self,
        lane: StreamingLane[T],
        packing: Packing[T],
        *,
        take_in: Callable[[str, Mapping[str, object]], T | None] = lambda _, __: None,
        direct: bool = True,
    ) -> None:
        """*take_in* is given what a stream's reader sends, and returns the answer, if there is one.

        Not *direct*: bytes go out by ASGI's `send` under any server.
        """
        self.lane = lane
        self.direct = direct
        self.packing = packing
        self.take_in = take_in
        self.cache = FrameCache(lambda epoch, events: packing(lane.framing.events(epoch, events)), batches=CACHED)
        self._writers: dict[str, StreamWriter[T]] = {}

    def join(self, reader: Place[T], stream: str, cursor: Cursor) -> StreamWriter[T] | None:
        """Give *reader*, who has everything up to *cursor*, a place with the stream's writer.

        None: the writer is further already.
        """
        writer = self._writers.get(stream)
        if writer is None or writer.epoch != cursor.epoch:
            writer = self._writers[stream] = StreamWriter(self, stream, cursor)
        elif writer.offset > cursor.offset:
            return None
        writer.add(reader)
        return writer

    def forget(self, stream: str, writer: StreamWriter[T]) -> None:
        """Let go of a writer that has ended."""
        if self._writers.get(stream) is writer:
            del self._writers[stream]


class StreamWriter(Generic[T]):
    """Hands out what comes after its place, until the stream has ended or nobody is left.

    A reader whose `offset` is the writer's gets each batch, once and in order. One that is already further, because
    it has read the log itself, gets what comes after that; one that can't keep up has left before (`discard`).
    """

    def __init__(self, writers: Writers[T], stream: str, cursor: Cursor) -> None:
        self.epoch, self.offset = cursor
        self.handed_at = 0.0
        """When its readers were last handed something (CLOCK_MONOTONIC)."""
        self._writers = writers
        self._stream = stream
        self._readers: dict[Place[T], None] = {}
        self._begin = 0.0
        self._waiting = False
        self._task = writers.lane.service.spawn(self._run())

    def add(self, reader: Place[T]) -> None:
        """Take in a reader that is at this place, or further."""
        self._readers[reader] = None

    def discard(self, reader: Place[T]) -> None:
        """Let a reader go; with the last one the writer ends."""
        self._readers.pop(reader, None)
        if self._waiting and not self._readers:
            self._writers.forget(self._stream, self)
            self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._write()
        except UnknownStream:
            await self._pass(self.offset, lambda reader: reader.part())
        except Exception:  # a task of the service may not fail, or it would take all others along
            logger.exception("a stream's writer failed; its readers are cut off")
            for reader in list(self._readers):
                reader.abort()
        finally:
            self._writers.forget(self._stream, self)
        for reader in list(self._readers):  # who have come since
            reader.settle()

    async def _write(self) -> None:
        service = self._writers.lane.service
        while self._readers:
            try:
                batch = await self._next()
            except CursorExpired as expired:
                await self._tell_gap(expired)
                continue
            if batch.events and self._readers:
                await self._hand(batch)
            if batch.outcome is not None:
                await self._tell_end(batch.cursor, batch.outcome)
                return
            if service.draining:
                for reader in list(self._readers):
                    reader.look_for_departure()

    async def _next(self) -> Batch:
        read, here = self._writers.lane.service.read, Cursor(self.epoch, self.offset)
        self._waiting = True
        try:
            return await read(self._stream, here, limit=READ_EVENTS, max_bytes=READ_BYTES, wait=WAIT)
        finally:
            self._waiting = False

    async def _tell_gap(self, expired: CursorExpired) -> None:
        epoch, before = self.epoch, self.offset
        self.epoch, self.offset = expired.oldest
        await self._pass(before, lambda reader: reader.tell_gap(expired))
        if epoch != self.epoch:  # who was further in the old one is nowhere in the new one
            for reader in [reader for reader in self._readers if reader.offset != self.offset]:
                self.discard(reader)
                reader.settle()
        await asyncio.sleep(0)  # whatever happens next, others have their turn

    async def _tell_end(self, cursor: Cursor, outcome: Outcome) -> None:
        await self._pass(self.offset, lambda reader: reader.end(cursor, outcome))

    async def _hand(self, batch: Batch) -> None:
        lane, before, after = self._writers.lane, self.offset, batch.cursor.offset
        packed = self._writers.cache.frame(self._stream, batch)
        self.offset = after

        def hand(reader: Place[T]) -> None:
            reader.offset = after  # first, since it may be paused by what it is handed, and look where it is
            reader.hand(packed)

        def count(readers: int) -> None:
            lane.service.sent(self._stream, batch, lane.metrics, live=True, readers=readers)

        self.handed_at = time.monotonic()
        await self._pass(before, hand, count)

    async def _pass(
        self, offset: int, visit: Callable[[Place[T]], None], count: Callable[[int], None] = lambda _: None
    ) -> None:
        """Visit all readers that are at *offset*, and let others have their turn when it takes long.

        Whoever has come meanwhile is somewhere else, and whoever has gone isn't there any more.
        """
        readers = list(self._readers)
        self._begin = (self._begin + STRIDE) % 1
        first = int(self._begin * len(readers))
        order = readers[first:] + readers[:first]
        elsewhere: list[Place[T]] = []
        begun = time.monotonic()
        for start in range(0, len(order), AT_ONCE):
            visited = 0
            for reader in order[start : start + AT_ONCE]:
                if reader not in self._readers:
                    continue
                if reader.offset != offset:
                    elsewhere.append(reader)
                    continue
                visited += 1
                try:
                    visit(reader)
                except Exception:  # of this one's connection, and none of the others' matter
                    logger.exception("a reader can't be written to; it is cut off")
                    reader.abort()
            count(visited)
            if time.monotonic() - begun > PASS_SECONDS:
                await asyncio.sleep(0)
                begun = time.monotonic()
        for reader in elsewhere:
            if reader in self._readers and reader.offset < self.offset:
                self.discard(reader)
                reader.settle()
