"""What is shown: the server, and between it and its readers a relay for each lane."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

from streamlanes import clients
from streamlanes.benchmarks.relay import Relay
from streamlanes.demos.folder import temporary_folder
from streamlanes.demos.network import CLEAR, LaneNetwork
from streamlanes.demos.server import ServerProcess
from streamlanes.producers.open_files import allow_open_files
from streamlanes.producers.pacing.journal import Stamp, read_journal
from streamlanes.producers.wire import Wire

OFFERED: Final = ("tokens", "ticker", "echo")
"""The producers to choose from; `replay` has no recordings here."""

MAX_STAMPS: Final = 2_000
"""Number of stamps that are read from the journal at once."""


@dataclass
class StagedLane:
    """A lane, and the path to its readers. The relay has a port of its own: browsers make six connections to one."""

    name: str
    wire: Wire
    relay: Relay
    network: LaneNetwork = CLEAR
    shaped_at: float = 0.0
    """When the path was made like that (`time.monotonic`)."""
    stalled_until: float = 0.0
    """When a stall is over, or was (`time.monotonic`)."""

    @property
    def url(self) -> str:
        """The server's address, by way of the relay."""
        return self.relay.url

    @property
    def stalled(self) -> float:
        """Seconds until a stall is over, 0 without one."""
        return max(self.stalled_until - monotonic(), 0.0)

    def through(self, link: str) -> str:
        """Return the URL (or path) *link* of the server by way of the relay."""
        return f"{self.url}{urlsplit(link).path}"

    def shape(self, network: LaneNetwork) -> None:
        """Make the path so, for connections that are open too."""
        self.network, self.shaped_at = network, monotonic()
        self.relay.up = network.up
        self.relay.down = network.down(self.wire)

    def cut(self) -> None:
        """Cut all connections that are open now."""
        self.relay.cut()

    def stall(self, seconds: float) -> None:
        """Let nothing pass for so long, either way; nothing is lost. Replaces a stall that is on."""
        self.stalled_until = monotonic() + seconds
        self.relay.stall(seconds)


class Stage:
    """The server and its lanes, by name."""

    def __init__(self, server: ServerProcess, lanes: Mapping[str, StagedLane], folder: Path) -> None:
        self.server = server
        self.lanes = lanes
        self.folder = folder
        """For the logs of processes; gone when the stage is."""
        self._restarting = asyncio.Lock()

    def chosen(self, name: str | None) -> Sequence[StagedLane]:
        """Return the lane of this name, or all for None. Raises KeyError."""
        return tuple(self.lanes.values()) if name is None else (self.lanes[name],)

    async def restart(self) -> int:
        """Kill the server and start another on its port; return which one it is, counted from 1.

        All its streams are gone with its memory. Raises ProcessError if it doesn't start; it may be tried again.
        """
        async with self._restarting:
            # Nobody listens on the port for a while. Left to connect to it again and again, a relay could be given
            # that very port for its own end, and be connected to itself.
            for lane in self.lanes.values():
                lane.relay.refusing = True
            await self.server.start()
            for lane in self.lanes.values():
                lane.relay.refusing = False
            return self.server.boot

    def stamps(self, epoch: str, after: int) -> list[Stamp]:
        """Return the journal's entries of events *after* + 1 on, at most MAX_STAMPS; none for an unknown stream."""
        try:
            return read_journal(self.server.journal, epoch, after=after, limit=MAX_STAMPS)
        except FileNotFoundError:
            return []


@asynccontextmanager
async def staged(origins: Sequence[str] = ()) -> AsyncIterator[Stage]:
    """Run the server and its relays until the block ends; nothing is left then. Pages of *origins* may read.

    Raises ProcessError if the server doesn't start.
    """
    allow_open_files()  # a connection takes two of this process
    with temporary_folder() as folder, ServerProcess(folder, origins) as server:
        await server.start()
        wires = await clients.lanes(server.url)
        async with AsyncExitStack() as stack:
            lanes = {name: StagedLane(name, wire, await _relay(stack, server.url)) for name, wire in wires.items()}
            yield Stage(server, lanes, folder)


async def _relay(stack: AsyncExitStack, url: str) -> Relay:
    address = urlsplit(url)
    return await stack.enter_async_context(Relay(address.hostname or "", address.port or 0))
