"""Letting bytes gather in the kernel where nothing is timed, so that the engine wakes for many events at once.

A server that makes a system call for each message wakes a reader that waits for nearly each one, and that costs the
reader's process several times what taking the message does.
"""

from __future__ import annotations

import asyncio
from typing import Final

from benchmarks.engine.decoding import Events

ENOUGH: Final = 16_384
"""Bytes. With pieces of this size waking costs next to nothing, and what comes so fast would fill the kernel's
buffers.
"""
SECONDS: Final = 0.001
"""A server that writes as fast as it can must not have to wait meanwhile: at ENOUGH bytes before, the socket's buffer
takes what comes in this time many times over.
"""


async def gather(transport: asyncio.Transport | None, chunk: bytes, events: Events) -> None:
    """Read nothing for SECONDS, if *chunk*, which was read last and has *events*, was small.

    What brought no event, such as a stream's beginning, tells nothing of how fast they come.
    """
    if transport is None or transport.is_closing() or not events.offsets or len(chunk) >= ENOUGH:
        return
    transport.pause_reading()
    try:
        await asyncio.sleep(SECONDS)
    finally:
        if not transport.is_closing():
            transport.resume_reading()
