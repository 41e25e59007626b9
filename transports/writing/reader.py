"""One connection's reading of a stream: its place, its catching up, its heartbeats, its end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Final, Generic, TypeVar

from streamlanes.producers.errors import CursorExpired, UnknownStream
from streamlanes.producers.events import Cursor, Outcome
from streamlanes.producers.log.event_log import Batch
from streamlanes.transports.follow import FIRST_HEARTBEAT, Opening
from streamlanes.transports.packing import Packed, Packing
from streamlanes.transports.service.connection import Connection
from streamlanes.transports.service.service import READ_BYTES, READ_EVENTS, ServiceOver
from streamlanes.transports.writing.taken import Taken
from streamlanes.transports.writing.ways import Way
from streamlanes.transports.writing.writer import StreamWriter, Writers

T = TypeVar("T")

logger = logging.getLogger("streamlanes")

LATER_HEARTBEATS: Final = (0.8, 1.0)
"""After what part of a heartbeat's silence a ping comes: never later than told, and not all readers' at once."""


class Reader(Taken, Generic[T]):
    """Owner of a connection. At the head it has a place with the stream's writer, and no task or timer of its own.

    Else it is paused, since its client takes less than comes, or it catches up: a task reads the log for it, and writes
    all that a read returns in one go, until it is at the head or paused again.
    """

    __slots__ = (
        "_beats_at",
        "_catching_up",
        "_epoch",
        "_leaves_at",
        "_paused",
        "_pinged_at",
        "_slot",
        "_stream",
        "_way",
        "_writer",
        "_writers",
        "offset",
    )

    def __init__(self, writers: Writers[T], stream: str) -> None:
        super().__init__()
        self._writers = writers
        self._stream = stream
        self._epoch = ""
        self.offset = 0
        self._way: Way[T]
        self._writer: StreamWriter[T] | None = None
        self._paused = False
        self._catching_up = False
        self._pinged_at = 0.0
        self._slot = 0
        self._beats_at = 0.0
        self._leaves_at: float | None = None

    def begin(self, opening: Opening, way: Way[T], connection: Connection | None) -> None:
        """Tell where the stream begins and what there is, and go on from there.

        *connection* is told of pauses and of the end; None where the app's call sees to that.
        """
        self._way = way
        self._connection = connection
        lane, first = self._writers.lane, opening.first
        start = Cursor(first.cursor.epoch, first.cursor.offset - len(first.events))
        self._write(lane.framing.open(start, lane.service.settings.heartbeat))
        if opening.gap is not None:
            self._write(lane.framing.gap(opening.gap.after, opening.gap.oldest, opening.gap.missing))
        self._arm(lane.service.settings.heartbeat * lane.jitter(*FIRST_HEARTBEAT))
        self._take(first, live=False)
        self.settle()

    @property
    def packing(self) -> Packing[T]:
        """How its connection carries what is told to it."""
        return self._writers.packing

    # What its writer does

    def hand(self, packed: Packed[T]) -> None:
        """As `Place.hand`."""
        self._way.write(packed)

    def tell_gap(self, expired: CursorExpired) -> None:
        """As `Place.tell_gap`."""
        self._epoch, self.offset = expired.oldest
        self._write(self._writers.lane.framing.gap(expired.after, expired.oldest, expired.missing))

    def end(self, cursor: Cursor, outcome: Outcome) -> None:
        """As `Place.end`."""
        self._write(self._writers.lane.framing.end(cursor, outcome))
        self._end(ended=True)

    def part(self) -> None:
        """As `Place.part`."""
        self._end(ended=False)

    def abort(self) -> None:
        """As `Place.abort`."""
        self._way.abort()
        self.lost()

    def look_for_departure(self) -> None:
        """As `Place.look_for_departure`: it may stay for a random part of the time that is left, unless for good."""
        if self._leaves_at is None and not self.over:
            stays = self._writers.lane.service.stays_for(self._stream)
            if stays is not None:
                now = time.monotonic()
                self._leaves_at = now + stays
                self._writers.lane.service.timers.discard(self, self._slot)
                self._arm(min(stays, self._beats_at - now))

    def settle(self) -> None:
        """As `Place.settle`."""
        self._leave_writer()
        if self.over or self._paused or self._catching_up:
            return
        if self._writers.lane.service.draining:
            self.look_for_departure()
        try:
            self._writer = self._writers.join(self, self._stream, Cursor(self._epoch, self.offset))
            if self._writer is None:
                self._writers.lane.service.spawn(self._catch_up())
                self._catching_up = True
        except ServiceOver:
            self.part()

    # What becomes of its connection

    def paused(self) -> None:
        """As `Owner.paused`."""
        self._paused = True
        self._leave_writer()
        if self._connection is not None:
            self._connection.paused()

    def resumed(self) -> None:
        """As `Owner.resumed`."""
        self._paused = False
        if self._connection is not None:
            self._connection.resumed()
        self.settle()

    def received(self, message: Mapping[str, object]) -> bool:
        """As `Owner.received`: what a client sends is for the session's producer."""
        refusal = self._writers.take_in(self._stream, message)
        if refusal is None:
            return True
        self._write(refusal)
        return not self._paused

    def lost(self) -> None:
        """As `Owner.lost`."""
        if self.over:
            return
        self._leave_writer()
        self._writers.lane.service.timers.discard(self, self._slot)
        self.finish()

    # Its time

    def beat(self) -> None:
        """Its time has come: to leave, or for a ping if it has been told nothing for so long."""
        service, framing = self._writers.lane.service, self._writers.lane.framing
        now = time.monotonic()
        if self._leaves_at is not None and self._leaves_at <= now:
            if not self._paused:
                self._write(framing.leave(service.departure.back_in()))
            self._end(ended=False)
            return
        heartbeat = service.settings.heartbeat
        silent = 0.0  # who isn't at the head is being told, or can't be
        if self._writer is not None:
            silent = now - max(self._pinged_at, self._writer.handed_at)
            if silent >= heartbeat * LATER_HEARTBEATS[0]:
                silent = 0.0
                self._pinged_at = now
                self._write(framing.ping())
        if not self.over:
            rest = heartbeat * self._writers.lane.jitter(*LATER_HEARTBEATS) - silent
            self._arm(rest if self._leaves_at is None else min(rest, self._leaves_at - now))

    def _arm(self, seconds: float) -> None:
        self._beats_at = time.monotonic() + seconds
        self._slot = self._writers.lane.service.timers.add(self, max(seconds, 0.0))

    # Reading by itself

    async def _catch_up(self) -> None:
        lane = self._writers.lane
        try:
            while not (self.over or self._paused):
                here = Cursor(self._epoch, self.offset)
                try:
                    batch = await lane.service.read(self._stream, here, limit=READ_EVENTS, max_bytes=READ_BYTES, wait=0)
                except CursorExpired as expired:
                    self.tell_gap(expired)
                    continue
                if not batch.events and batch.outcome is None:
                    break
                self._take(batch, live=True)
                await asyncio.sleep(0)  # others have their turn between two reads
        except UnknownStream:
            self._end(ended=False)
        except Exception:  # a task of the service may not fail, or it would take all others along
            logger.exception("a reader that was behind can't catch up; it is cut off")
            self.abort()
        self._catching_up = False
        self.settle()

    def _take(self, batch: Batch, *, live: bool) -> None:
        lane = self._writers.lane
        self._epoch, self.offset = batch.cursor
        if batch.events:
            lane.service.sent(self._stream, batch, lane.metrics, live=live)
            self._way.write(self._writers.cache.frame(self._stream, batch))
        if batch.outcome is not None:
            self.end(batch.cursor, batch.outcome)

    def _write(self, framed: T) -> None:
        if framed:  # a wire may have no words for it
            self._way.write(self._writers.packing(framed))

    def _end(self, *, ended: bool) -> None:
        if not self.over:
            self._way.end(ended=ended)
            self.lost()

    def _leave_writer(self) -> None:
        if self._writer is not None:
            self._writer.discard(self)
            self._writer = None
