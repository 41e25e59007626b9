"""A userspace TCP relay on loopback: accepts, connects on, and has connections suffer what was planned."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Final, Self

from streamlanes.benchmarks.relay.faults import Direction, Link, Schedule, no_faults, plan
from streamlanes.benchmarks.relay.splice import Splice, reset
from streamlanes.benchmarks.relay.tally import Counts, State, Tallies, Tally

HOST: Final = "127.0.0.1"
DIRECTIONS: Final[tuple[Direction, Direction]] = ("up", "down")
BACKLOG: Final = 2048
NO_LINK: Final = Link()


class Relay:
    """Listens on 127.0.0.1 and forwards each connection to *host* and *port*, with faults.

        async with Relay("127.0.0.1", 8000, faults=cut_between(500, 5000), seed=7) as relay:
            ... # read from relay.url, which is cut again and again
            relay.down = Link(delay=0.05, jitter=0.01)
            relay.stall(3)

    Without faults it changes nothing that a TCP client can see, but for the moment between the client's connecting and
    the server's. A side's FIN is passed on behind what is pending, a side's RST at once; a side that stops reading
    stops the other one (see `Flow` for the bound).

    The methods and attributes may be used at any time, in the event loop's thread. Nothing is forwarded any more once
    `cut`, `reset` or `half_open` has returned; a FIN or RST goes out in the loop's next round. What is done to open
    connections is done to those whose server is connected. Leaving the block closes all connections, and nothing keeps
    running. Entering raises OSError if it can't listen; running out of sockets ends the block with one, in a group.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        faults: Schedule = no_faults,
        seed: int = 0,
        up: Link = NO_LINK,
        down: Link = NO_LINK,
        listen: int = 0,
    ) -> None:
        """Prepare a relay; *listen* is its own port, 0 for any that is free. A host's name stands for its IPv4 address.

        *seed* decides all that is random: connection k of one schedule and seed always suffers the same, and draws the
        same jitter for the same reads.
        """
        self.upstream = (host, port)
        """Where new connections go."""
        self.faults = faults
        """What new connections suffer."""
        self.refusing = False
        """Whether new connections are reset, as soon as they have been accepted."""
        self.port = listen
        self._seed = seed
        self._links: dict[Direction, Link] = {"up": up, "down": down}
        self._stalled_until: dict[Direction, float] = {}
        self._tallies = Tallies()
        self._splices: set[Splice] = set()
        self._tasks = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The relay's address, for HTTP."""
        return f"http://{HOST}:{self.port}"

    @property
    def counts(self) -> Counts:
        """All connections so far, and the bytes that they brought."""
        return self._tallies.counts()

    @property
    def connections(self) -> Sequence[Tally]:
        """The last connections (`tally.REMEMBERED` of them) with their own counts, in the order of acceptance."""
        return self._tallies.connections

    @property
    def up(self) -> Link:
        """From clients to the server; setting it also changes the connections that are open."""
        return self._links["up"]

    @up.setter
    def up(self, link: Link) -> None:
        self._relink("up", link)

    @property
    def down(self) -> Link:
        """From the server to clients; setting it also changes the connections that are open."""
        return self._links["down"]

    @down.setter
    def down(self, link: Link) -> None:
        self._relink("down", link)

    def cut(self) -> None:
        """Cut all open connections, as `faults.Cut` does."""
        self._end(State.CUT)

    def reset(self) -> None:
        """Reset all open connections, as `faults.Reset` does."""
        self._end(State.RESET)

    def half_open(self) -> None:
        """Let nothing through on the connections that are open now, for good; only `cut` and `reset` end them."""
        for splice in self._splices:
            splice.half_open()

    def drop_response(self) -> None:
        """On all open connections, throw away the next bytes that come down, and cut; until then all goes on."""
        for splice in self._splices:
            splice.drop_response()

    def stall(self, seconds: float, direction: Direction | None = None) -> None:
        """Let nothing through in *direction* (None: both) for so long, also on connections that come meanwhile.

        Nothing is lost. Replaces a stall that is on: `stall(0)` ends it. Raises ValueError for less than 0 seconds.
        """
        if not seconds >= 0:
            raise ValueError("a stall takes 0 or more seconds")
        until = monotonic() + seconds
        for each in DIRECTIONS if direction is None else (direction,):
            self._stalled_until[each] = until
            for splice in self._splices:
                splice.flows[each].stall(until)

    async def __aenter__(self) -> Self:
        listener = socket.create_server((HOST, self.port), backlog=BACKLOG)
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        await self._tasks.__aenter__()
        self._start(self._accept(listener), listener)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._running:
            task.cancel()
        if isinstance(error, asyncio.CancelledError):
            await self._tasks.__aexit__(kind, error, trace)
        else:  # an error of the block's own comes out as it is, not in the group's ExceptionGroup
            await self._tasks.__aexit__(None, None, None)

    def _start(self, work: Coroutine[None, None, None], sock: socket.socket) -> None:
        """Run *work*; *sock* is closed behind it, also if it is cancelled before it has begun."""
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda _: sock.close())

    async def _accept(self, listener: socket.socket) -> None:
        # Not loop.sock_accept: cancelled in the wrong moment, it loses a connection that it has accepted.
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(listener, ready.set)
        try:
            while await ready.wait():
                ready.clear()
                with suppress(BlockingIOError, ConnectionAbortedError):
                    client, _ = listener.accept()
                    client.setblocking(False)
                    self._start(self._serve(client, self._tallies.accept()), client)
        finally:
            loop.remove_reader(listener)

    async def _serve(self, client: socket.socket, tally: Tally) -> None:
        host, port = self.upstream
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
            server.setblocking(False)
            try:
                if self.refusing:
                    raise ConnectionRefusedError
                await asyncio.get_running_loop().sock_connect(server, (host, port))
            except OSError:
                tally.move(State.REFUSED)
                reset(client)
                return
            seed = f"{self._seed}:{tally.index}"
            faults = plan(self.faults, self._seed, tally.index)
            splice = Splice(client, server, links=self._links, faults=faults, seed=seed, tally=tally)
            for direction, until in self._stalled_until.items():
                splice.flows[direction].stall(until)
            self._splices.add(splice)
            try:
                await splice.run()
            finally:
                self._splices.discard(splice)

    def _relink(self, direction: Direction, link: Link) -> None:
        self._links[direction] = link
        for splice in self._splices:
            splice.flows[direction].relink(link)

    def _end(self, how: State) -> None:
        for splice in self._splices:
            splice.end(how)
