"""Waking tasks on time: event loops count milliseconds, and a round trip may take less than one."""

from __future__ import annotations

import asyncio
import heapq
import threading
import time
from itertools import count
from types import TracebackType
from typing import Self


class Alarm:
    """A thread that sleeps until the next time that a task of one event loop waits for. A context manager.

    The system's timers are exact to some tens of microseconds; what is late beyond that is the loop, or the CPU, busy
    with something else.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="alarm", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    async def until(self, at_ns: int) -> None:
        """Return at *at_ns* (CLOCK_MONOTONIC), or at once if that has passed."""
        if time.monotonic_ns() >= at_ns:
            return
        future = asyncio.get_running_loop().create_future()
        with self._changed:
            heapq.heappush(self._waiting, (at_ns, next(self._numbers), future))
            if self._waiting[0][2] is future:
                self._changed.notify()
        await future

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic_ns()
                while self._waiting and self._waiting[0][0] <= now:
                    *_, future = heapq.heappop(self._waiting)
                    future.get_loop().call_soon_threadsafe(_wake, future)
                self._changed.wait((self._waiting[0][0] - now) / 1e9 if self._waiting else None)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():  # its task may have been cancelled meanwhile
        future.set_result(None)
