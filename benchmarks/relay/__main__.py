"""`python -m streamlanes.benchmarks.relay`: a relay in a process of its own, whose time isn't the server's.

Standard input has its `Orders`, as JSON; `listening on URL` on standard output says that it is ready. The clock of its
faults starts with the first connection. Goes on until it is killed.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from streamlanes.benchmarks.relay.faults import Fault
from streamlanes.benchmarks.relay.relay import Relay
from streamlanes.benchmarks.relay.timed import TimedFault, play


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What the relay is to do."""

    host: str
    port: int
    seed: int
    delay: float
    """Seconds from the first connection to when the times of the faults begin."""
    faults: tuple[TimedFault, ...]
    log: Path
    """Gets a line for each fault, as it begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suffered:
    """A fault that was."""

    at_ns: int
    what: str
    open: int
    """Connections."""
    cpu_ns: int
    """Of the relay's process by then."""


ORDERS: Final = TypeAdapter(Orders)
SUFFERED: Final = TypeAdapter(Suffered)


async def serve(orders: Orders) -> None:
    """Relay, for ever."""
    first = asyncio.Event()

    def started(_: int, __: random.Random) -> Sequence[Fault]:
        first.set()
        return ()

    async with Relay(orders.host, orders.port, faults=started, seed=orders.seed) as relay:
        with orders.log.open("ab", buffering=0) as log:

            def note(fault: TimedFault) -> None:
                suffered = Suffered(
                    at_ns=time.monotonic_ns(), what=fault.what, open=relay.counts.open, cpu_ns=time.process_time_ns()
                )
                log.write(SUFFERED.dump_json(suffered) + b"\n")

            sys.stdout.write(f"listening on {relay.url}\n")
            sys.stdout.flush()
            await first.wait()
            await play(relay, orders.faults, time.monotonic() + orders.delay, note)
            await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(serve(ORDERS.validate_json(sys.stdin.buffer.read())))
