"""The two ways in which a reader's bytes get out: to our own server's socket, or as messages of ASGI's `send`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from starlette.types import Message, Send

from streamlanes.transports.outlet import Outlet, Owner
from streamlanes.transports.packing import ENDED, GOING_AWAY, Packed, Packing
from streamlanes.transports.writing.begun import Begun, begin

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
    """Messages, to any server. They are sent by the app's own task, and to the owner that is a pause until it is done.

    Where *stepping*, the writer begins to send by itself, which mostly is all: uvicorn's `send` waits only on a pause.
    What is left of one that does wait is then the app's task's.
    """

    def __init__(self, send: Send, owner: Owner, packing: Packing[T], *, stepping: bool) -> None:
        self._send = send
        self._owner = owner
        self._last = packing.last
        self._stepping = stepping
        self._begun: Begun | None = None
        self._pending: list[Message] = []
        self._failed: Exception | None = None
        self._ended: bool | None = None
        self._aborted = False
        self._woken = asyncio.Event()
        self._sent = asyncio.Event()

    def write(self, packed: Packed[T]) -> None:
        messages = packed.messages
        if self._stepping and not self._pending and not self._stopped():
            messages = self._step(messages)
            if not self._stopped():
                return
        self._pending += messages
        self._sent.clear()
        self._woken.set()
        self._owner.paused()

    def _step(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Send *messages* as far as that doesn't have to wait; return those that haven't been begun."""
        for n, message in enumerate(messages, start=1):
            try:
                self._begun = begin(self._send(message))
            except Exception as error:  # noqa: BLE001 (the app's task raises it)
                self._failed = error
            if self._stopped():
                return messages[n:]
        return ()

    def _stopped(self) -> bool:
        return self._begun is not None or self._failed is not None

    def end(self, *, ended: bool) -> None:
        self._ended = ended
        self._woken.set()

    def abort(self) -> None:
        self._aborted = True
        self._woken.set()

    async def run(self) -> None:
        """Send what is written, until the end. What `send` raises is raised."""
        try:
            while not self._aborted:
                await self._woken.wait()
                self._woken.clear()
                paused = self._begun is not None or bool(self._pending)
                await self._send_pending()
                if self._pending:
                    continue
                if self._ended is not None:
                    for message in self._last(self._ended):
                        await self._send(message)
                    return
                self._sent.set()
                if paused:
                    self._owner.resumed()
        finally:
            if self._begun is not None:
                self._begun.close()

    async def _send_pending(self) -> None:
        if self._failed is not None:
            raise self._failed
        if self._begun is not None:
            await self._begun
            self._begun = None
        pending, self._pending = self._pending, []
        for message in pending:
            await self._send(message)

    async def sent(self) -> None:
        """Return when all that is written has been sent."""
        await self._sent.wait()
