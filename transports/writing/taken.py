"""What has taken a connection over, and is done with it some time."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

from streamlanes.transports.service.connection import Connection


class Taken(ABC):
    """Base of the owners of connections."""

    __slots__ = ("_connection", "_done", "over")

    def __init__(self) -> None:
        self.over = False
        self._connection: Connection | None = None
        self._done: asyncio.Future[None] | None = None

    @abstractmethod
    def abort(self) -> None:
        """End the connection at once."""

    async def until_over(self) -> None:
        """Return when the connection has ended, or what it was taken for; cancelled, end it."""
        if self.over:
            return
        self._done = asyncio.get_running_loop().create_future()
        try:
            await self._done
        finally:
            if not self.over:
                self.abort()

    def finish(self) -> None:
        """Be done with it."""
        self.over = True
        if self._connection is not None:
            self._connection.end()
        if self._done is not None and not self._done.done():
            self._done.set_result(None)
