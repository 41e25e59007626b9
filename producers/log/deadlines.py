"""Time-outs for many waiters at the price of one timer."""

from __future__ import annotations

import asyncio
from typing import Final

TICK: Final = 0.02
"""Seconds; a wait ends at most this much late. A timer for each wait would cost more than the wait itself."""


class Deadlines:
    """Completes futures once their time is up. Futures due in the same tick share an entry, all share one timer."""

    def __init__(self) -> None:
        self._buckets: dict[int, set[asyncio.Future[None]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0

    def add(self, waiter: asyncio.Future[None], seconds: float) -> int:
        """Complete *waiter* after *seconds*; returns what `discard` needs."""
        loop = waiter.get_loop()
        bucket = int((loop.time() + seconds) / TICK) + 1
        waiters = self._buckets.get(bucket)
        if waiters is None:
            self._buckets[bucket] = {waiter}
            if self._timer is None or bucket < self._armed_for:
                self._arm(loop, bucket)
        else:
            waiters.add(waiter)
        return bucket

    def discard(self, waiter: asyncio.Future[None], bucket: int) -> None:
        """Forget *waiter*. The timer stays: it costs less to fire for nothing than to be moved at every wait."""
        waiters = self._buckets.get(bucket)
        if waiters is not None:
            waiters.discard(waiter)
            if not waiters:
                del self._buckets[bucket]

    def _arm(self, loop: asyncio.AbstractEventLoop, bucket: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = bucket
        self._timer = loop.call_at(bucket * TICK, self._fire, loop)

    def _fire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time() / TICK
        for bucket in [bucket for bucket in self._buckets if bucket <= now]:
            for waiter in self._buckets.pop(bucket):
                if not waiter.done():
                    waiter.set_result(None)
        if self._buckets:
            self._arm(loop, min(self._buckets))
