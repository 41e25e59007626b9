"""Many timers at the price of one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

logger = logging.getLogger("streamlanes")

TICK: Final = 0.02
"""Seconds; a time comes at most this much late. A timer for each wait would cost more than the wait itself."""


class TimerWheel(Generic[T]):
    """Calls *fire* with each entry once its time has come. Entries due in the same tick share a slot, all one timer.

    What *fire* raises is logged, and is no other entry's. An entry isn't in it twice.
    """

    def __init__(self, fire: Callable[[T], None]) -> None:
        self._fire = fire
        self._slots: dict[int, dict[T, None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0

    def add(self, entry: T, seconds: float) -> int:
        """Have *entry* come in *seconds*; returns its slot, which `discard` needs."""
        loop = asyncio.get_running_loop()
        slot = int((loop.time() + seconds) / TICK) + 1
        entries = self._slots.get(slot)
        if entries is None:
            self._slots[slot] = {entry: None}
            if self._timer is None or slot < self._armed_for:
                self._arm(loop, slot)
        else:
            entries[entry] = None
        return slot

    def discard(self, entry: T, slot: int) -> None:
        """Forget *entry*. The timer stays: it costs less to fire for nothing than to be moved at every wait."""
        entries = self._slots.get(slot)
        if entries is not None:
            entries.pop(entry, None)
            if not entries:
                del self._slots[slot]

    def _arm(self, loop: asyncio.AbstractEventLoop, slot: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = slot
        self._timer = loop.call_at(slot * TICK, self._turn, loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time() / TICK
        for slot in [slot for slot in self._slots if slot <= now]:
            for entry in self._slots.pop(slot):
                try:
                    self._fire(entry)
                except Exception:  # or the others of this slot, and all later ones, would never come
                    logger.exception("what was to be done at a time failed")
        if self._slots:
            self._arm(loop, min(self._slots))
