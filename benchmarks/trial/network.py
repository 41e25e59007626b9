"""A fault relay as the network of a trial: a process beside the engine, and a file of what it did."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from streamlanes.benchmarks.machine.processes import child
from streamlanes.benchmarks.relay.orders import LOG, ORDERED, ORDERS, Orders
from streamlanes.benchmarks.relay.timed import TimedFault
from streamlanes.benchmarks.trial.server import READY, READY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """A `workload.Network` with *faults*."""

    faults: tuple[TimedFault, ...]
    """Faults in the order of their times."""
    delay: float
    """Seconds from the stream's creation to when the times of the faults begin."""
    seed: int

    def __call__(self, url: str, pid: int | None, *, folder: Path, cpu: int | None) -> AbstractContextManager[str]:
        return self._relaying(url, folder, cpu)

    @contextmanager
    def _relaying(self, url: str, folder: Path, cpu: int | None) -> Iterator[str]:
        """Raises ProcessError if the relay doesn't get ready, or has ended before the block does."""
        server = urlsplit(url)
        orders = Orders(
            host=server.hostname or "",
            port=server.port or 80,
            seed=self.seed,
            delay=self.delay,
            faults=self.faults,
            log=folder / LOG,
        )
        (folder / ORDERED).write_bytes(ORDERS.dump_json(orders))
        # -P: see `server.serving`.
        with child(
            "relay", [sys.executable, "-P", "-m", "streamlanes.benchmarks.relay"], folder=folder, cpu=cpu
        ) as process:
            process.send((folder / ORDERED).read_bytes())
            ready = (line for line in process.lines(READY_SECONDS) if line.startswith(READY))
            line = next(ready, None)
            if line is None:
                raise process.error("didn't start")
            yield line.removeprefix(READY).strip()
            if process.process.poll() is not None:
                raise process.error("ended")
