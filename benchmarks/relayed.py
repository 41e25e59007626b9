"""A fault relay as the network of a trial: a process beside the engine, and a file of what it did."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchmarks.processes import ProcessError, child
from benchmarks.relay.__main__ import ORDERS, SUFFERED, Orders, Suffered
from benchmarks.relay.timed import TimedFault
from benchmarks.server import READY, READY_SECONDS

LOG: Final = "faults.jsonl"
"""In the trial's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """A `workload.Network` with *faults*."""

    faults: tuple[TimedFault, ...]
    """In the order of their times."""
    delay: float
    """Seconds from the stream's creation to when the times of the faults begin."""
    seed: int

    def __call__(self, url: str, pid: int | None, *, folder: Path, cpu: int | None) -> AbstractContextManager[str]:
        return self._relaying(url, folder, cpu)

    @contextmanager
    def _relaying(self, url: str, folder: Path, cpu: int | None) -> Iterator[str]:
        """Raises ProcessError if the relay doesn't get ready, or hasn't had all faults when the block ends."""
        server = urlsplit(url)
        orders = Orders(
            host=server.hostname or "",
            port=server.port or 80,
            seed=self.seed,
            delay=self.delay,
            faults=self.faults,
            log=folder / LOG,
        )
        # -P: see `server.serving`.
        with child("relay", [sys.executable, "-P", "-m", "benchmarks.relay"], folder=folder, cpu=cpu) as process:
            process.send(ORDERS.dump_json(orders))
            ready = (line for line in process.lines(READY_SECONDS) if line.startswith(READY))
            line = next(ready, None)
            if line is None:
                raise process.error("didn't start")
            yield line.removeprefix(READY).strip()
            if process.process.poll() is not None:
                raise process.error("ended")
        had = len(suffered(folder))
        if had < len(self.faults):
            raise ProcessError(f"the stream was over after {had} of {len(self.faults)} faults")


def suffered(folder: Path) -> Sequence[Suffered]:
    """Return the faults that a trial's connections had, in their order. Raises FileNotFoundError."""
    return [SUFFERED.validate_json(line) for line in (folder / LOG).read_bytes().splitlines()]
