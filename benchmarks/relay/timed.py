"""Faults that come at their times, whatever the connections have carried by then: the same for every lane.

| what | to whom | |
| --- | --- | --- |
| `cut` | all open connections | both sides get a FIN |
| `reset` | all open connections | both sides get a RST |
| `half-open` | all open connections | nothing passes any more, and no side is told |
| `drop` | all open connections | the next bytes from the server are thrown away, then cut: a response that is lost |
| `stall` | all | nothing comes down for `seconds`, then everything goes on |
| `idle` | all open connections | nothing passes for `seconds`, then cut: a proxy's idle time-out, as readers see it |
| `buffer` | all | for `seconds`, what comes down is held until it is `size` bytes, or `hold` seconds old |
| `bytes` | all | cut; those made within `seconds` are cut again, at a seeded byte in [`size` / 2, `size`) |
| `refuse` | all | reset, and for `seconds` all that come: a server that restarts behind a proxy, on the same port |
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import ConfigDict, Field

from streamlanes.benchmarks.relay.faults import Link, cut_between, no_faults
from streamlanes.benchmarks.relay.relay import NO_LINK, Relay

What: TypeAlias = Literal["cut", "reset", "half-open", "drop", "stall", "idle", "buffer", "bytes", "refuse"]

LASTING: Final = {"stall", "idle", "buffer", "bytes", "refuse"}
SIZED: Final = {"buffer", "bytes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedFault:
    """One of them. Raises ValueError for one without what it takes, or with what it doesn't."""

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    at: Annotated[float, Field(ge=0, le=3_600)]
    """Seconds after the begin."""
    what: What
    seconds: Annotated[float, Field(ge=0, le=600)] = 0.0
    size: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Bytes."""
    hold: Annotated[float, Field(ge=0, le=60)] = 0.0

    def __post_init__(self) -> None:
        takes = {
            "seconds": self.what in LASTING,
            "size": self.what in SIZED,
            "hold": self.what == "buffer",
        }
        has = {"seconds": self.seconds > 0, "size": self.size > 0, "hold": self.hold > 0}
        for name, wanted in takes.items():
            if has[name] != wanted:
                raise ValueError(f"a fault {self.what!r} takes {'' if wanted else 'no '}{name}")

    @property
    def until(self) -> float:
        """When it is over."""
        return self.at + self.seconds


async def play(relay: Relay, faults: Sequence[TimedFault], begin: float, note: Callable[[TimedFault], None]) -> None:
    """Have the relay's connections suffer *faults*, one after the other, times counted from *begin* (`monotonic`).

    Each is told to *note* as it begins.
    """
    for fault in faults:
        await _until(begin + fault.at)
        note(fault)
        await _suffer(relay, fault)


async def _suffer(relay: Relay, fault: TimedFault) -> None:
    until = monotonic() + fault.seconds  # whole, also if it begins late
    match fault.what:
        case "cut":
            relay.cut()
        case "reset":
            relay.reset()
        case "half-open":
            relay.half_open()
        case "drop":
            relay.drop_response()
        case "stall":
            relay.stall(fault.seconds, "down")
            await _until(until)
        case "idle":
            relay.stall(2 * fault.seconds)
            await _until(until)
            relay.cut()
            relay.stall(0)
        case "buffer":
            relay.down = Link(buffer_bytes=fault.size, buffer_seconds=fault.hold)
            await _until(until)
            relay.down = NO_LINK
        case "bytes":
            relay.faults = cut_between(fault.size // 2, fault.size, directions=["down"])
            relay.cut()
            await _until(until)
            relay.faults = no_faults
        case "refuse":
            relay.refusing = True
            relay.reset()
            await _until(until)
            relay.refusing = False


async def _until(at: float) -> None:
    await asyncio.sleep(max(at - monotonic(), 0))
