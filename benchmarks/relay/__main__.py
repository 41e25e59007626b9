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

from streamlanes.benchmarks.relay.faults import Fault
from streamlanes.benchmarks.relay.orders import ORDERS, SUFFERED, Orders, Suffered
from streamlanes.benchmarks.relay.relay import Relay
from streamlanes.benchmarks.relay.timed import TimedFault, play


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
