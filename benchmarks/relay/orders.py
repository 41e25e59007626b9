"""What a relay in a process of its own is told, and what it notes: the files of a trial with faults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from streamlanes.benchmarks.relay.timed import TimedFault

ORDERED: Final = "relay.json"
"""File in the trial's folder that says what the relay was told to do."""
LOG: Final = "faults.jsonl"
"""File there with a line for each fault that there was."""


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
    """Nanoseconds of CPU that the relay's process had used by then."""


ORDERS: Final = TypeAdapter(Orders)
SUFFERED: Final = TypeAdapter(Suffered)
