"""A reader's connection, as far as sending goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from starlette.types import Message, Scope, Send

ABORT: Final = "streamlanes.abort"
"""The extension of the ASGI scope with which our own server (`transports.server`) lets an app end a connection at once:
a function, which throws away what hasn't been sent."""


class Connection:
    """Since when a send has been blocked, and how to end it.

    One sweep looks at all of them; a timer for every send would cost more than the sends.
    """

    __slots__ = ("_abort", "_send", "_sending", "blocked_since", "dropped", "task")

    def __init__(self, scope: Scope, send: Send) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._abort: Callable[[], None] | None = scope.get("extensions", {}).get(ABORT)
        self._send = send
        self._sending = 0
        self.task = task
        self.blocked_since: float | None = None
        """Since when none of the sends that have begun has ended (CLOCK_MONOTONIC)."""
        self.dropped = False

    async def send(self, message: Message) -> None:
        """Send, and note how long it takes. There may be several at once, as on a WebSocket."""
        self._sending += 1
        if self.blocked_since is None:
            self.blocked_since = time.monotonic()
        try:
            await self._send(message)
        finally:
            self._sending -= 1
            self.blocked_since = time.monotonic() if self._sending else None

    def drop(self) -> None:
        """End it.

        Under our own server its socket is closed, and the app learns it as it learns of any client's leaving. Under
        another one the app's work is cancelled; what has been handed to that server is its to throw away.
        """
        if self.dropped:
            return
        self.dropped = True
        if self._abort is None:
            self.task.cancel()
        else:
            self._abort()
