"""The way from a producer into the log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final, Protocol

from streamlanes.producers.events import Cursor, Item
from streamlanes.producers.pacing.journal import Journal
from streamlanes.producers.pacing.pacers import Pacer

MAX_BATCH: Final = 256


class Appender(Protocol):
    """A log, as far as the pump knows it."""

    async def append(self, stream: str, items: Sequence[Item]) -> Cursor:
        """Append *items*; see `EventLog.append`."""
        ...


async def pump(
    items: AsyncGenerator[Item, None], log: Appender, stream: str, *, pacer: Pacer, journal: Journal | None = None
) -> None:
    """Append a producer's items to *stream* when they are due, all that are due at once; return when it has finished.

    A pump that wakes late appends everything that has become due meanwhile, so lateness doesn't add up. An item
    without a due time is appended as soon as it comes. Raises what the producer or the log raises.
    """
    batch: list[Item] = []
    woke = time.monotonic_ns()

    async def flush() -> None:
        if batch:
            appending = time.monotonic_ns()  # before the append, which wakes the readers
            await log.append(stream, batch)
            if journal is not None:
                journal.write(batch, woke, appending)
            batch.clear()

    async with aclosing(items):
        async for item in items:
            if item.due_ns is None:
                await flush()
                woke = time.monotonic_ns()
            elif item.due_ns > woke:
                now = time.monotonic_ns()
                if item.due_ns > now:
                    await flush()
                    woke = await pacer.wait_until(item.due_ns)
            batch.append(item)
            if item.due_ns is None or len(batch) == MAX_BATCH:
                await flush()
                await asyncio.sleep(0)  # a producer that never waits must not keep the loop from the readers
        await flush()
