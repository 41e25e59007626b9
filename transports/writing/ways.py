"""The two ways in which a reader's bytes get out: to our own server's socket, or as messages of ASGI's `send`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from starlette.types import Send

from streamlanes.transports.outlet import Outlet, Owner
from streamlanes.transports.packing import ENDED, GOING_AWAY, Packed, Packing

T = TypeVar("T")


class Way(Protocol[T]):
    """How one reader's connection is written to. Its owner is told of pauses."""

    def write(self, packed: Packed[T]) -> None:
        """Send it; on a pause it waits, as little more should."""
        ...

    def end(self, *, ended: bool) -> None:
        """End the connection in order; not *ended*: its reader is to come back."""
        ...

    def abort(self) -> None:
        """End the connection at once."""
        ...


class Direct(Generic[T]):
    """Ready bytes, to the socket of our own server."""

    __slots__ = ("_outlet", "_write")

    def __init__(self, outlet: Outlet, write: Callable[[bytes], None]) -> None:
        self._outlet = outlet
        self._write = write

    def write(self, packed: Packed[T]) -> None:
        self._write(packed.ready)

    def end(self, *, ended: bool) -> None:
        self._outlet.end(ENDED if ended else GOING_AWAY)

    def abort(self) -> None:
        self._outlet.abort()


class Plain(Generic[T]):
    """Messages, to any server. The app's own task sends them, and to its owner each is a pause until it is sent."""

    def __init__(self, send: Send, owner: Owner, packing: Packing[T]) -> None:
        self._send = send
        self._owner = owner
        self._last = packing.last
        self._pending: list[Packed[T]] = []
        self._ended: bool | None = None
        self._aborted = False
        self._woken = asyncio.Event()
        self._sent = asyncio.Event()

    def write(self, packed: Packed[T]) -> None:
        self._pending.append(packed)
        self._sent.clear()
        self._woken.set()
        self._owner.paused()

    def end(self, *, ended: bool) -> None:
        self._ended = ended
        self._woken.set()

    def abort(self) -> None:
        self._aborted = True
        self._woken.set()

    async def run(self) -> None:
        """Send what is written, until the end. What `send` raises is raised."""
        while not self._aborted:
            await self._woken.wait()
            self._woken.clear()
            pending, self._pending = self._pending, []
            for packed in pending:
                for message in packed.messages:
                    await self._send(message)
            if self._pending:
                continue
            if self._ended is not None:
                for message in self._last(self._ended):
                    await self._send(message)
                return
            self._sent.set()
            if pending:
                self._owner.resumed()

    async def sent(self) -> None:
        """Return when all that is written has been sent."""
        await self._sent.wait()
