"""One direction of a connection: bytes from one socket to the other, by way of a delay line.

`Flow.step` moves all of them. The event loop calls it when a socket or the time is ready: there is no task per
direction, and on a path without faults a forward is one `recv` and one `send`.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import Final, Protocol

from streamlanes.benchmarks.relay.delayline import DelayLine
from streamlanes.benchmarks.relay.faults import AtByte, Direction, Link

READ: Final = 1 << 16
"""Bytes that are read at once."""


class Owner(Protocol):
    """Is told what happens, and may stop the flow in answer."""

    def arrived(self, direction: Direction) -> None:
        """Bytes were read, and nothing was done with them yet."""
        ...

    def passed(self, direction: Direction, count: int) -> None:
        """Bytes were delivered."""
        ...

    def suffer(self, fault: AtByte) -> None:
        """So many bytes have been delivered that it is time for *fault*."""
        ...

    def ended(self) -> None:
        """The source's end was delivered."""
        ...

    def lost(self) -> None:
        """Source or sink can't be used any more."""
        ...


class Flow:
    """One direction: from *source* through *line* to *sink*, which are non-blocking and remain the owner's.

    Up to `delayline.MAX_BYTES` are on their way, and no more is read while what is due waits: a sink that takes nothing
    stops the source. Without a delay that leaves READ bytes here, beside the kernel's buffers.
    """

    def __init__(
        self,
        owner: Owner,
        direction: Direction,
        *,
        source: socket.socket,
        sink: socket.socket,
        line: DelayLine,
        faults: Sequence[AtByte],
    ) -> None:
        self.direction = direction
        self._line = line
        self._owner = owner
        self._source = source
        self._sink = sink
        self._faults = deque(faults)
        self._delivered = 0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._wake_at: float | None = None
        self._reading = False
        self._writing = False
        self._blocked = False
        self._source_ended = False
        self._sink_ended = False
        self._stopped = False

    def suffer(self) -> None:
        """Have the owner suffer what comes at this byte; to be called once before the first `step`."""
        while not self._before_next_fault():
            self._owner.suffer(self._faults.popleft())

    def step(self) -> None:
        """Move all that can be moved now, and see to it that this is called again when more can."""
        if self._stopped:
            return
        now = monotonic()
        try:
            self._deliver(now)
            if self._room(now):
                self._take(now)
                self._deliver(now)
        except OSError:
            self._owner.lost()
        if not self._stopped:
            self._wait(now)

    def relink(self, link: Link) -> None:
        """Give the direction other lasting properties."""
        self._line.link = link
        self._loop.call_soon(self.step)

    def stall(self, until: float) -> None:
        """Let nothing through before *until* (`time.monotonic`), instead of what was said before."""
        self._line.stall(until)
        self._loop.call_soon(self.step)

    def stop(self) -> None:
        """Move nothing more."""
        self._stopped = True
        self._loop.remove_reader(self._source)
        self._loop.remove_writer(self._sink)
        if self._timer is not None:
            self._timer.cancel()

    def _room(self, now: float) -> int:
        return 0 if self._source_ended or self._stopped else min(self._line.room(now), READ)

    def _take(self, now: float) -> None:
        try:
            data = self._source.recv(self._room(now))
        except BlockingIOError:
            return
        if data:
            self._owner.arrived(self.direction)
            self._line.put(data, now)
        else:
            self._source_ended = True
            self._line.end(now)

    def _deliver(self, now: float) -> None:
        self._blocked, self._wake_at = False, None
        while not (self._stopped or self._sink_ended):
            data, self._wake_at = self._line.due(now, self._before_next_fault())
            if not data:
                break
            try:
                sent = self._sink.send(data)
            except BlockingIOError:
                self._blocked, self._wake_at = True, None
                return
            self._line.sent(sent)
            self._delivered += sent
            self._owner.passed(self.direction, sent)
            self.suffer()
        if not (self._stopped or self._sink_ended) and self._line.over(now):
            self._sink_ended, self._wake_at = True, None
            self._sink.shutdown(socket.SHUT_WR)
            self._owner.ended()

    def _before_next_fault(self) -> float:
        return self._faults[0].after_bytes - self._delivered if self._faults else math.inf

    def _wait(self, now: float) -> None:
        reading = self._room(now) > 0
        if reading != self._reading:
            self._reading = reading
            if reading:
                self._loop.add_reader(self._source, self.step)
            else:
                self._loop.remove_reader(self._source)
        if self._blocked != self._writing:
            self._writing = self._blocked
            if self._blocked:
                self._loop.add_writer(self._sink, self.step)
            else:
                self._loop.remove_writer(self._sink)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if self._wake_at is None else self._loop.call_later(self._wake_at - now, self.step)
