"""Pacers keep a producer's due times."""

from __future__ import annotations

import asyncio
import socket
import time
from itertools import count
from typing import Protocol

from streamlanes.producers.errors import PacerLost
from streamlanes.producers.pacing.pacer_process import READ_BYTES, RECORD, REQUEST


class Pacer(Protocol):
    """Waits for the times that a schedule has fixed."""

    async def wait_until(self, due_ns: int) -> int:
        """Return the time (CLOCK_MONOTONIC, ns), no earlier than *due_ns* and as little later as it can be."""
        ...


class LoopPacer:
    """Waits on the event loop's own timer, so it is late by as much as the loop is busy."""

    async def wait_until(self, due_ns: int) -> int:
        while (now := time.monotonic_ns()) < due_ns:  # noqa: ASYNC110 (nothing but the clock will tell)
            # uvloop counts in milliseconds: a shorter sleep would be none, and this loop would spin.
            # See findings/uvloop-sleeps-under-a-millisecond.sh.
            await asyncio.sleep(max((due_ns - now) / 1e9, 0.001))
        return now


class PipePacer:
    """Has a process of its own wait (see `producers.pacer`), and returns when that woke, not when the loop heard of it.

    Belongs to the event loop that it is first used on. What is asked for in one turn of the loop goes out in one write,
    without ever blocking the loop; all answers that have come are read at once. A wait that is cancelled leaves nothing
    here, and in the pacer an entry until it is due. Raises PacerLost, also in those who wait, once the process is gone.
    """

    def __init__(self, pacer: socket.socket) -> None:
        """Take over *pacer*, this process's end of the pair of stream sockets."""
        pacer.setblocking(False)
        self._pacer = pacer
        self._loop: asyncio.AbstractEventLoop | None = None
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[int | None]] = {}
        self._unsent = bytearray()
        self._cut = b""

    async def wait_until(self, due_ns: int) -> int:
        """See `Pacer`. Raises PacerLost."""
        if (now := time.monotonic_ns()) >= due_ns:
            return now
        loop = self._attach()
        if not self._unsent:
            loop.call_soon(self._send)
        number = next(self._numbers)
        self._unsent += REQUEST.pack(number, due_ns)
        waiter: asyncio.Future[int | None] = loop.create_future()
        self._waiting[number] = waiter
        try:
            woke = await waiter
        finally:
            self._waiting.pop(number, None)
        if woke is None:
            raise _lost()
        return woke

    def close(self) -> None:
        """Let the pacer go; whoever waits gets PacerLost."""
        if self._loop is not None and self._pacer.fileno() >= 0:
            self._loop.remove_reader(self._pacer.fileno())
            self._loop.remove_writer(self._pacer.fileno())
        self._pacer.close()
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_result(None)

    def _attach(self) -> asyncio.AbstractEventLoop:
        if self._pacer.fileno() < 0:
            raise _lost()
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._pacer.fileno(), self._receive)
        return self._loop

    def _send(self) -> None:
        if self._loop is None or self._pacer.fileno() < 0:
            return
        try:
            del self._unsent[: self._pacer.send(self._unsent)]
        except BlockingIOError:
            pass
        except ConnectionError:
            self.close()
            return
        if self._unsent:
            self._loop.add_writer(self._pacer.fileno(), self._send)
        else:
            self._loop.remove_writer(self._pacer.fileno())

    def _receive(self) -> None:
        try:
            data = self._pacer.recv(READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self.close()
            return
        data = self._cut + data
        whole = len(data) - len(data) % RECORD.size
        self._cut = data[whole:]
        for number, _, woke in RECORD.iter_unpack(data[:whole]):
            waiter = self._waiting.get(number)
            if waiter is not None and not waiter.done():  # it may have been cancelled
                waiter.set_result(woke)


def _lost() -> PacerLost:
    return PacerLost("the pacer's process has gone away; start the server anew, with another one")
