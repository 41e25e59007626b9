"""What a reader records: two integers an event, three a message, a running checksum, and its milestones."""

from __future__ import annotations

import struct
import time
import zlib
from typing import Final

import aiohttp

from streamlanes.benchmarks.engine.decoding.decoder import Events, Position
from streamlanes.benchmarks.spec.records import Column, ConnectionTimes, Reader, Sends, Traffic

FEW: Final = 4
"""Texts of which the checksum is taken one by one; more are joined before."""

_pack: Final = struct.Struct("q").pack
"""Packing of one number, as an array of "q" has it."""


class Recorder:
    """One reader's record. No object is kept per event or message."""

    def __init__(self, scheduled_ns: int, index: int = 0) -> None:
        self.index = index
        self.awaited = 0
        """Events after which a stream is complete, for wires that don't tell; 0: not known."""
        self.gathers = False
        """Whether events may wait for others to be read with them: their times are of no use then."""
        self.column = Column()
        self.sends = Sends()
        self.scheduled_ns = scheduled_ns
        self.request_ns = 0
        self.connect_ns = 0
        self.times_connect = True
        """Whether connections are made by aiohttp, which tells when; a client library's can't be timed."""
        self.epoch = ""
        self.outcome: str | None = None
        self.missing = 0
        self.traffic: Traffic | None = None
        self.connections: list[ConnectionTimes] = []
        self.heard_ns = 0
        """When something last came, be it a ping."""
        self.error: str | None = None
        self._checksum = 0
        self._ended_ns = 0

    def take(self, received_ns: int, events: Events) -> None:
        """Record *events*, all received at once; *received_ns* was read before they were parsed."""
        self.heard_ns = received_ns
        if events.offsets:
            self.column.offsets.extend(events.offsets)
            self.column.received.frombytes(_pack(received_ns) * len(events.offsets))
            if len(events.data) > FEW:
                self._checksum = zlib.crc32(b"\n".join([*events.data, b""]), self._checksum)
            else:  # runs mostly, and long: not worth a copy
                for text in events.data:
                    self._checksum = zlib.crc32(b"\n", zlib.crc32(text, self._checksum))

    def take_one(self, received_ns: int, offset: int, data: bytes) -> None:
        """Record an event by itself, as clients hand them over."""
        self.column.offsets.append(offset)
        self.column.received.append(received_ns)
        self._checksum = zlib.crc32(data + b"\n", self._checksum)

    def close(self, place: Position) -> None:
        """Take over what a connection's decoder has learned, also if the reading failed."""
        self.epoch = place.epoch.decode() or self.epoch
        self.outcome = place.outcome
        self.missing += place.missing

    def ended(self) -> None:
        """Note that the reading is over, one way or the other."""
        self._ended_ns = time.monotonic_ns()

    def result(self) -> Reader:
        """Return the record without its events."""
        return Reader(
            index=self.index,
            epoch=self.epoch,
            scheduled_ns=self.scheduled_ns,
            request_ns=self.request_ns,
            connect_ns=self.connect_ns if self.times_connect else None,
            ended_ns=self._ended_ns,
            events=len(self.column.offsets),
            sent=len(self.sends.sent),
            checksum=self._checksum,
            outcome=self.outcome,
            missing=self.missing,
            error=self.error,
            traffic=self.traffic,
            connections=tuple(self.connections),
        )

    def trace(self) -> aiohttp.TraceConfig:
        """Return the hooks that time the making of connections."""
        started = 0

        async def before(*_: object) -> None:
            nonlocal started
            started = time.monotonic_ns()

        async def after(*_: object) -> None:
            self.connect_ns += time.monotonic_ns() - started

        hooks = aiohttp.TraceConfig()
        hooks.on_connection_create_start.append(before)
        hooks.on_connection_create_end.append(after)
        return hooks
