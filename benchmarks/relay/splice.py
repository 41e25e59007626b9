"""One client's connection and the one that was made to the server for it, joined."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Final

from streamlanes.benchmarks.relay.delayline import DelayLine
from streamlanes.benchmarks.relay.faults import (
    AtByte,
    Cut,
    Direction,
    DropResponse,
    Fault,
    HalfOpen,
    Link,
    Reset,
    Stall,
    at_bytes,
    shaped,
)
from streamlanes.benchmarks.relay.flow import READ, Flow
from streamlanes.benchmarks.relay.tally import State, Tally

LINGER: Final = 1.0
"""Seconds for which a cut connection goes on reading and throwing away: closing a socket with unread bytes would send a
RST, which may destroy what was delivered. After them it is closed all the same."""

_RST: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on, for 0 s: closing sends a RST instead of a FIN, and throws away what the kernel still had to send."""


class Splice:
    """Forwards both ways until both sides have ended, one is lost, or a fault ends it."""

    def __init__(
        self,
        client: socket.socket,
        server: socket.socket,
        *,
        links: Mapping[Direction, Link],
        faults: Sequence[Fault],
        seed: str,
        tally: Tally,
    ) -> None:
        """Join two connected, non-blocking sockets, which remain the caller's to close; *seed* is for the jitter."""
        self._client = client
        self._server = server
        self._tally = tally
        self._over = asyncio.Event()
        self._open_ways = 2
        # Which request is on, and whose response is to be dropped (see DropResponse).
        self._drops = {fault.request for fault in faults if isinstance(fault, DropResponse)}
        self._requests = 0
        self._asking = False
        self._dropping = False
        ways: tuple[tuple[Direction, socket.socket, socket.socket], ...] = (
            ("up", client, server),
            ("down", server, client),
        )
        self.flows: Mapping[Direction, Flow] = {
            direction: Flow(
                self,
                direction,
                source=source,
                sink=sink,
                # Jitter, not keys.
                line=DelayLine(shaped(direction, links, faults), random.Random(f"{seed}:{direction}")),  # noqa: S311
                faults=at_bytes(direction, faults),
            )
            for direction, source, sink in ways
        }

    async def run(self) -> None:
        """Forward until it is over. Cancelling stops it, and leaves it to the sockets' owner to close them."""
        for sock in (self._client, self._server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tally.move(State.OPEN)
        try:
            for flow in self.flows.values():
                flow.suffer()
            for flow in self.flows.values():
                flow.step()
            await self._over.wait()
        finally:
            self.end(State.CUT)
        if self._tally.state is State.CUT:
            await self._part()
        elif self._tally.state is not State.CLOSED:
            for sock in (self._client, self._server):
                reset(sock)

    def end(self, how: State) -> None:
        """Forward nothing more, and end both connections: CUT sends FINs, RESET and LOST send RSTs."""
        if not self._over.is_set():
            self._stop()
            self._tally.move(how)
            self._over.set()

    def half_open(self) -> None:
        """Forward nothing more and touch neither connection, until `end`."""
        if not self._over.is_set():
            self._stop()
            self._tally.move(State.HALF_OPEN)

    def drop_response(self) -> None:
        """Throw away the next bytes that come down, and cut."""
        self._dropping = True

    def suffer(self, fault: AtByte) -> None:
        """Do what the schedule has for this moment."""
        match fault:
            case Cut():
                self.end(State.CUT)
            case Reset():
                self.end(State.RESET)
            case Stall(seconds=seconds):
                for flow in self.flows.values():
                    flow.stall(monotonic() + seconds)
            case HalfOpen():
                self.half_open()

    def arrived(self, direction: Direction) -> None:
        """Bytes were read, and nothing was done with them yet."""
        if self._dropping and direction == "down":
            self.end(State.CUT)

    def passed(self, direction: Direction, count: int) -> None:
        """Bytes were delivered."""
        self._tally.passed(direction, count)
        if direction == "down":
            self._asking = False
        elif not self._asking:
            self._asking = True
            self._requests += 1
            self._dropping |= self._requests in self._drops

    def ended(self) -> None:
        """One direction's end was delivered."""
        self._open_ways -= 1
        if not self._open_ways:
            self.end(State.CLOSED)

    def lost(self) -> None:
        """One side can't be used any more."""
        self.end(State.LOST)

    def _stop(self) -> None:
        for flow in self.flows.values():
            flow.stop()

    async def _part(self) -> None:
        for sock in (self._client, self._server):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_WR)
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER), asyncio.TaskGroup() as tasks:
                tasks.create_task(_discard(self._client))
                tasks.create_task(_discard(self._server))


async def _discard(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        while await loop.sock_recv(sock, READ):
            pass


def reset(sock: socket.socket) -> None:
    """Have *sock* send a RST when it is closed, instead of a FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
