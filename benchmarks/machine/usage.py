"""How busy a process was: what it used of a CPU, and what it waited for one.

The second is the scheduler's run delay: time in which the process could have run and another one had its CPU. The two
together are the time in which it had something to do, so they tell whether it had any reserve, also on a machine that
others disturb.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from streamlanes.benchmarks.machine.clocks import ProcessTime

BUSY: Final = 0.9
"""Without reserve: over this share of a second, what comes out is a backlog."""
MOSTLY_BUSY: Final = 0.75
"""What a process must reach to be what limits a saturated trial."""
WINDOW_NS: Final = 1_000_000_000
"""Nanoseconds of the window of `busiest`. Shorter ones would take the start of the sessions for an overload."""
SHORT_NS: Final = 500_000_000
"""CPU clocks say nothing of less."""

Limit: TypeAlias = Literal["server", "engine", "both", "neither"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One process's part in a trial; None: the system doesn't tell."""

    cpu_ns: int | None
    waited_ns: int | None
    """Nanoseconds of waiting for a CPU that another process had."""
    preempted: int | None = None
    """Times that it was made to give up its CPU."""
    busiest: float | None
    """Share of its busiest second in which it ran or waited for a CPU; of the whole trial if that was shorter."""

    def busy_ns(self) -> int | None:
        """Return the time in which it ran or waited for a CPU."""
        return None if self.cpu_ns is None else self.cpu_ns + (self.waited_ns or 0)


NOTHING_USED: Final = Usage(cpu_ns=None, waited_ns=None, busiest=None)


def usage(times_ns: Sequence[int], samples: Sequence[ProcessTime]) -> Usage:
    """Return what a process used between the first and the last of *samples*, taken at *times_ns*."""
    cpu = [sample.cpu_ns for sample in samples if sample.cpu_ns is not None]
    waited = [sample.waited_ns for sample in samples if sample.waited_ns is not None]
    switches = [sample.preempted for sample in samples if sample.preempted is not None]
    if len(cpu) < len(samples):
        return NOTHING_USED
    known = len(waited) == len(samples)
    busy = [used + delay for used, delay in zip(cpu, waited, strict=True)] if known else cpu
    return Usage(
        cpu_ns=cpu[-1] - cpu[0],
        waited_ns=waited[-1] - waited[0] if known else None,
        preempted=switches[-1] - switches[0] if len(switches) == len(samples) else None,
        busiest=_busiest(times_ns, busy),
    )


def together(shards: Sequence[Usage]) -> Usage:
    """Return what processes used that did the same side by side; the busiest of them counts as busy."""
    cpu = [shard.cpu_ns for shard in shards if shard.cpu_ns is not None]
    waited = [shard.waited_ns for shard in shards if shard.waited_ns is not None]
    switches = [shard.preempted for shard in shards if shard.preempted is not None]
    return Usage(
        cpu_ns=sum(cpu) if len(cpu) == len(shards) else None,
        waited_ns=sum(waited) if len(waited) == len(shards) else None,
        preempted=sum(switches) if len(switches) == len(shards) else None,
        busiest=max((shard.busiest for shard in shards if shard.busiest is not None), default=None),
    )


def limit(server: float | None, engine: float | None) -> Limit | None:
    """Say which side made a saturated trial as fast as it was, from the shares of time in which each was busy.

    The busier one, if it was mostly busy; both, if neither had any reserve. Neither: each waited for the other, as with
    a request for each batch. None: it can't be known.
    """
    if server is None or engine is None:
        return None
    if max(server, engine) < MOSTLY_BUSY:
        return "neither"
    if min(server, engine) > BUSY:
        return "both"
    return "engine" if engine > server else "server"


def _busiest(times_ns: Sequence[int], busy_ns: Sequence[int]) -> float | None:
    whole = times_ns[-1] - times_ns[0]
    if whole < SHORT_NS:
        return None
    window = min(WINDOW_NS, whole)
    shares = []
    end = 0
    for start, at_ns in enumerate(times_ns):
        while end < len(times_ns) and times_ns[end] - at_ns < window:
            end += 1
        if end == len(times_ns):
            break
        shares.append((busy_ns[end] - busy_ns[start]) / (times_ns[end] - at_ns))
    return max(shares)
