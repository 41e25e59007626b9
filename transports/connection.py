"""A reader's connection, as far as sending goes."""

from __future__ import annotations

import asyncio
import time

from starlette.types import Message, Send


class Connection:
    """Since when a send has been blocked, and how to end it.

    One sweep looks at all of them; a timer for every send would cost more than the sends.
    """

    __slots__ = ("_send", "blocked_since", "dropped", "task")

    def __init__(self, send: Send) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._send = send
        self.task = task
        self.blocked_since: float | None = None
        self.dropped = False

    async def send(self, message: Message) -> None:
        """Send, and note how long it takes."""
        self.blocked_since = time.monotonic()
        await self._send(message)
        self.blocked_since = None

    def drop(self) -> None:
        """End it. The socket's own time-out (see `server.bind`) ends what is still in the kernel."""
        if not self.dropped:
            self.dropped = True
            self.task.cancel()
