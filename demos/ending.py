"""How a program that has children, sockets and a temporary folder ends when it is told to: in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, `kill`, and a terminal that is closed or a connection that is lost."""


async def until_told(work: Coroutine[None, None, None]) -> int:
    """Do *work* until it is done, or a signal cancels it; return the status to exit with, which shells know.

    0, or 128 and the signal's number. A second signal doesn't disturb what has to be tidied up.
    """
    told: list[int] = []
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)

    def stop(number: int) -> None:
        if not told:
            task.cancel()
        told.append(number)

    for number in SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        await task
    except asyncio.CancelledError:
        if not told:
            raise
        return 128 + told[0]
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
    return 0
