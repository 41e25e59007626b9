"""Pacers keep a producer's due times."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


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
            await asyncio.sleep(max((due_ns - now) / 1e9, 0.001))
        return now
