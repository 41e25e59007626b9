"""A reader's connection, as far as sending goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, cast

from starlette.types import Message, Scope, Send

from streamlanes.transports.outlet import outlet_of

ABORT: Final = "streamlanes.abort"
"""The extension of the ASGI scope with which a server of ours that has no OUTLET lets an app end a connection at once:
a function, which throws away what hasn't been sent."""

CONNECTION: Final = "streamlanes.connection"
"""Where in the ASGI scope a reader's Connection is."""


class Connection:
    """Since when its sends have been blocked, how to end it, and whom to tell that it has ended.

    It is the `send` of the app, and is over when the app's call is; an app that takes the connection over says itself
    when it is blocked, and when it is over. One sweep looks at all of them; a timer for every send would cost more than
    the sends.
    """

    __slots__ = ("_abort", "_on_end", "_sending", "blocked_since", "dropped", "handed_over", "passes_to", "task")

    def __init__(self, scope: Scope, send: Send, on_end: Callable[[Connection], None]) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        outlet = outlet_of(scope)
        self._abort = scope.get("extensions", {}).get(ABORT) if outlet is None else outlet.abort
        self._on_end: Callable[[Connection], None] | None = on_end
        self._sending = 0
        self.passes_to = send
        self.task: asyncio.Task[object] | None = task
        self.blocked_since: float | None = None
        """Since when nothing of what is to be sent has been (CLOCK_MONOTONIC)."""
        self.dropped = False
        self.handed_over = False

    async def __call__(self, message: Message) -> None:
        """Send, and note how long it takes. There may be several at once, as on a WebSocket."""
        self._sending += 1
        if self.blocked_since is None:
            self.blocked_since = time.monotonic()
        try:
            await self.passes_to(message)
        finally:
            self._sending -= 1
            self.blocked_since = time.monotonic() if self._sending else None

    def hand_over(self) -> None:
        """The app's call may return; who has taken the connection over says when it is blocked, and calls `end`."""
        self.handed_over = True
        self.passes_to = _no_longer
        self.task = None

    def paused(self) -> None:
        """What is to be sent waits."""
        self.blocked_since = time.monotonic()

    def resumed(self) -> None:
        """It has been sent."""
        self.blocked_since = None

    def end(self) -> None:
        """Tell once that it is over."""
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(self)

    def drop(self) -> None:
        """End it.

        Under our own server its socket is closed, and the app learns it as it learns of any client's leaving. Under
        another one the app's work is cancelled; what has been handed to that server is its to throw away.
        """
        if self.dropped:
            return
        self.dropped = True
        if self._abort is not None:
            self._abort()
        elif self.task is not None:
            self.task.cancel()


async def _no_longer(_: Message) -> None:
    raise RuntimeError("the connection has been taken over; nothing can be sent in the ordinary way")


def connection_of(scope: Scope) -> Connection | None:
    """Return the connection of the reader that *scope* is of, where the app counts its readers."""
    return cast("Connection | None", scope.get(CONNECTION))
