"""A server, and a relay in front of it for each lane, on one event loop that stays for many examples.

Starting a server takes longer than an example, so Hypothesis's examples share one: each has a session, and so a stream,
of its own. Time passes only inside `run`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

from streamlanes import clients
from streamlanes.benchmarks.relay import Link, Relay, no_faults
from streamlanes.contract.serving import serving
from streamlanes.contract.sources import NoParams
from streamlanes.producers.events import Item
from streamlanes.producers.log.memory import MemoryLog
from streamlanes.producers.producer import Context, Producer
from streamlanes.transports import Settings, StreamService, discover

T = TypeVar("T")

CLIENTS = {name: clients.discover()[transport.wire] for name, transport in discover().items()}
"""The client of each lane."""
LANES = sorted(CLIENTS)
DEADLINE = 20.0
"""Seconds for whatever has to happen; reached only if it never does."""


NONE: tuple[Item, ...] = ()


async def told(_: NoParams, context: Context) -> AsyncGenerator[Item, None]:
    """A producer that yields nothing, and ends as it is told to: the test appends by itself, as much as it likes."""
    if await context.inbox.get() == "fail":
        raise RuntimeError("as it was told to")
    for item in NONE:
        yield item


class Clock:
    """The log's time, which only tests move: retention by age is as they say, and not as the machine is slow."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class World:
    """What all examples share."""

    def __init__(self, runner: asyncio.Runner, settings: Settings) -> None:
        self._runner = runner
        self.clock = Clock()
        self.log = MemoryLog(clock=self.clock)
        producers: dict[str, Producer[Any]] = {"told": Producer("told", NoParams, told)}
        self.service = StreamService(producers=producers, log=self.log, settings=settings)
        self.relays: dict[str, Relay] = {}
        self.stream = ""
        """One that tests may share, where they have made one."""

    def run(self, work: Coroutine[None, None, T]) -> T:
        """Do *work*, while everything else in the loop goes on; it has a deadline."""

        async def bounded() -> T:
            async with asyncio.timeout(DEADLINE):
                return await work

        return self._runner.run(bounded())

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let time pass until *condition* holds."""
        while not condition():
            await asyncio.sleep(0.001)

    def calm(self) -> None:
        """Take all faults away, and cut what can't be mended."""
        for relay in self.relays.values():
            relay.faults = no_faults
            relay.refusing = False
            relay.up = relay.down = Link()
            relay.stall(0)
            if relay.counts.half_open:
                relay.cut()

    async def live(self, ready: asyncio.Event, leave: asyncio.Event) -> None:
        """Serve until told to leave."""
        async with serving(self.service) as url, AsyncExitStack() as stack:
            upstream = urlsplit(url)
            for lane in LANES:
                relay = Relay(upstream.hostname or "", upstream.port or 0)
                self.relays[lane] = await stack.enter_async_context(relay)
            ready.set()
            await leave.wait()


@contextmanager
def quiet(*names: str) -> Iterator[None]:
    """Producers that fail, and sockets that were reset, are what these tests are made of, thousands of times."""
    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger in loggers:
            logger.disabled = False


@contextmanager
def world(settings: Settings) -> Iterator[World]:
    """Set one up, and leave nothing behind."""
    with quiet("streamlanes", "asyncio"), asyncio.Runner() as runner:
        here = World(runner, settings)
        ready, leave = asyncio.Event(), asyncio.Event()
        living = runner.get_loop().create_task(here.live(ready, leave))

        async def begun() -> None:
            waiting = asyncio.create_task(ready.wait())
            await asyncio.wait([waiting, living], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if living.done():
                living.result()

        here.run(begun())
        try:
            yield here
        finally:
            leave.set()
            runner.run(asyncio.wait_for(living, DEADLINE))
