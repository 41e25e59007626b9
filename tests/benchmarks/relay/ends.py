"""Both ends of a connection through a relay, as plain sockets."""

from __future__ import annotations

import asyncio
import hashlib
import select
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from streamlanes.benchmarks.relay import Fault, Link, Relay, Schedule, State, Tally, no_faults
from streamlanes.benchmarks.relay.flow import READ

DEADLINE = 15.0


def pattern(count: int) -> bytes:
    """So many bytes, no part of which is like another."""
    return hashlib.shake_128(b"relay").digest(count)


DATA = pattern(400_000)


async def send(sock: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(sock, data)


async def receive(sock: socket.socket, count: int) -> bytes:
    """Exactly so many bytes."""
    found = bytearray()
    while len(found) < count:
        data = await asyncio.get_running_loop().sock_recv(sock, count - len(found))
        assert data, f"the end came after {len(found)} bytes of {count}"
        found += data
    return bytes(found)


async def receive_all(sock: socket.socket, found: bytearray | None = None) -> bytes:
    """All bytes before the FIN. Raises ConnectionResetError for a RST; what came before that is in *found*."""
    found = bytearray() if found is None else found
    while data := await asyncio.get_running_loop().sock_recv(sock, 1 << 16):
        found += data
    return bytes(found)


async def sent_before_a_reset(sock: socket.socket, data: bytes) -> bool:
    """Send; False if a RST came in between, which nobody will be told of again."""
    try:
        await send(sock, data)
    except (ConnectionResetError, BrokenPipeError):
        return False
    return True


async def send_until_stuck(sock: socket.socket, full: Callable[[], bool]) -> int:
    """Send until the way is *full*, and nothing has moved for so long that nothing will."""
    sent = 0
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                async with asyncio.timeout(0.2):
                    await send(sock, bytes(READ))
            except TimeoutError:
                if full():
                    return sent
            else:
                sent += READ


def silent(sock: socket.socket) -> bool:
    """Whether there is neither a byte nor an end to read."""
    readable, _, _ = select.select([sock], [], [], 0)
    return not readable


@dataclass
class Ends:
    """One joined connection, and the relay in between."""

    relay: Relay
    listener: socket.socket
    client: socket.socket
    server: socket.socket

    @property
    def tally(self) -> Tally:
        return self.relay.connections[0]

    def state(self) -> State:
        return self.tally.state

    def receiving(self, direction: str) -> socket.socket:
        return self.server if direction == "up" else self.client

    def sending(self, direction: str) -> socket.socket:
        return self.client if direction == "up" else self.server

    async def pass_by(self) -> None:
        """Return after the relay has certainly seen to all that was ready: other bytes went both ways meanwhile."""
        async with another(self.relay, self.listener) as (client, server):
            for _ in range(5):
                await send(client, b"there")
                assert await receive(server, 5) == b"there"
                await send(server, b"back")
                assert await receive(client, 4) == b"back"


@asynccontextmanager
async def another(relay: Relay, listener: socket.socket) -> AsyncIterator[tuple[socket.socket, socket.socket]]:
    """One more connection through *relay*."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", relay.port))
        server, _ = await loop.sock_accept(listener)
        with server:
            yield client, server


@asynccontextmanager
async def joined(
    faults: Schedule = no_faults, *, seed: int = 0, up: Link | None = None, down: Link | None = None
) -> AsyncIterator[Ends]:
    """A relay with one connection through it; nothing of it may take longer than the deadline."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        host, port = listener.getsockname()
        async with (
            asyncio.timeout(DEADLINE),
            Relay(host, port, faults=faults, seed=seed, up=up or Link(), down=down or Link()) as relay,
            another(relay, listener) as (client, server),
        ):
            yield Ends(relay, listener, client, server)


def first(*faults: Fault) -> Schedule:
    """For the first connection only, not for those that pass by."""
    return lambda index, _: () if index else faults
