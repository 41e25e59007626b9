"""The engine's ceiling: how fast it takes events of each wire from a server that is never the bottleneck.

`python -m streamlanes.benchmarks.experiment.ceiling` prints what an event, and a small poll, costs the engine.
A lane's rate in a saturated trial says something of the lane only while it is well below the ceiling of its wire: at
most half of it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from streamlanes.benchmarks.experiment.results import Ceiling
from streamlanes.benchmarks.kinds import EngineLoad
from streamlanes.benchmarks.machine.processes import Placement, child, placement
from streamlanes.benchmarks.servers.null import LANES, STREAM
from streamlanes.benchmarks.spec.records import Spec, dump_spec, read_engines, write_record
from streamlanes.benchmarks.spec.tasks import Rereading
from streamlanes.benchmarks.trial.contestants import Contestant
from streamlanes.benchmarks.trial.server import ready
from streamlanes.benchmarks.trial.shards import drive, processes
from streamlanes.producers.wire import LONG_POLL, NDJSON, SSE, WEBSOCKET, Wire

EVENT_TARGET_US: Final = 3.0
"""Microseconds of CPU that an event of a streaming wire may cost the engine."""
POLL_TARGET_US: Final = 200.0
"""Microseconds of CPU that a poll of a single event may cost it."""
PATIENCE: Final = 30.0
"""Seconds that a reader may take beyond its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireCeiling:
    """What the engine can do with one wire, on one CPU."""

    wire: Wire
    events_per_poll: int | None
    rate: float
    """Events per second."""
    engine_us: float | None
    """CPU of the engine per event; None: the system doesn't tell."""
    server_us: float | None
    """CPU of the null server per event, most of it the kernel's."""


@contextmanager
def null_server(
    folder: Path, *, cpu: int | None = None, events: int = 50_000, size: int = 128, poll_limit: int = 256
) -> Iterator[tuple[str, int]]:
    """Run the null server until the block ends; yields its URL and its process's id. Raises ProcessError."""
    numbers = {"events": events, "size": size, "poll-limit": poll_limit}
    command = [sys.executable, "-P", "-m", "streamlanes.benchmarks.servers.null"]
    command += [f"--{name}={value}" for name, value in numbers.items()]
    with child("server", command, folder=folder, cpu=cpu) as process:
        yield ready(process), process.process.pid


def measure_wire(
    wire: Wire,
    where: Placement,
    *,
    events: int = 50_000,
    size: int = 128,
    events_per_poll: int = 256,
    seconds: float = 1.0,
) -> WireCeiling:
    """Measure one wire with the engine as it is in trials.

    Raises ProcessError and ShardError if it can't be, and ValueError if events are lost.
    """
    found = measure_wires([wire], where, events=events, size=size, events_per_poll=events_per_poll, seconds=seconds)
    return found[wire]


def measure_wires(
    wires: Collection[Wire],
    where: Placement,
    *,
    events: int,
    size: int,
    events_per_poll: int = 256,
    seconds: float,
) -> dict[Wire, WireCeiling]:
    """Measure several wires, one after the other; raises as `measure_wire` does."""
    found: dict[Wire, WireCeiling] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        processes(1, None if where.engine is None else [where.engine]) as engine,
        null_server(Path(name), cpu=where.server, events=events, size=size, poll_limit=events_per_poll) as (url, pid),
    ):
        for lane, wire in LANES.items():
            if wire in wires:
                spec = Spec(
                    url=url,
                    lane=lane,
                    reader=wire,
                    server_pid=pid,
                    deadline=seconds + PATIENCE,
                    task=Rereading(stream=STREAM, events=events, seconds=seconds),
                )
                of_poll = events_per_poll if wire == LONG_POLL else None
                found[wire] = replace(measure(engine, spec), events_per_poll=of_poll)
    return found


def measure(engine: Executor, spec: Spec) -> WireCeiling:
    """Read a stream again and again as *spec* has it, from whatever server. Raises as `measure_wire` does."""
    if not isinstance(spec.task, Rereading):
        raise TypeError("only what is read again and again has a rate of its own")
    records = drive(engine, [dump_spec(spec)], spec.task.seconds + 2 * PATIENCE, lambda _: None)
    with tempfile.TemporaryDirectory() as name:
        write_record(Path(name), 0, records[0])
        ((record, _),) = read_engines(Path(name))
    for reader in record.readers:
        if reader.error is not None or reader.events != spec.task.events:
            raise ValueError(f"{spec.lane}: {reader.events} of {spec.task.events} events: {reader.error}")
    count = sum(reader.events for reader in record.readers)
    first, last = record.samples[0], record.samples[-1]
    return WireCeiling(
        wire=Wire(spec.reader),
        events_per_poll=None,
        rate=count / record.window_ns * 1e9,
        engine_us=_per_event(first.engine.cpu_ns, last.engine.cpu_ns, count),
        server_us=_per_event(first.server.cpu_ns, last.server.cpu_ns, count),
    )


def of_contestants(contestants: Sequence[Contestant], where: Placement, load: EngineLoad) -> dict[str, Ceiling]:
    """Measure the wires that *contestants* are read by, those that the null server has; by the contestants' names.

    Raises what `measure_wire` raises.
    """
    found = measure_wires(
        {Wire(one.reader) for one in contestants}, where, events=load.events, size=load.size, seconds=load.seconds
    )
    return {
        one.name: Ceiling(rate=found[Wire(one.reader)].rate, exempt=one.reader == LONG_POLL)
        for one in contestants
        if one.reader in found
    }


def _per_event(before: int | None, after: int | None, count: int) -> float | None:
    return None if before is None or after is None else (after - before) / count / 1e3


def main() -> None:
    """Print every wire's ceiling."""
    where = placement()
    measured = [measure_wire(wire, where) for wire in (SSE, NDJSON, WEBSOCKET, LONG_POLL)]
    measured.append(measure_wire(LONG_POLL, where, events=2_000, events_per_poll=1))
    sys.stdout.write(f"{'wire':<24}{'events/s':>12}{'engine µs/event':>18}{'target':>8}{'null server':>14}\n")
    for one in measured:
        name = one.wire if one.events_per_poll is None else f"{one.wire}, {one.events_per_poll} a poll"
        target = {None: EVENT_TARGET_US, 1: POLL_TARGET_US}.get(one.events_per_poll)
        figures = (one.rate, one.engine_us, target, one.server_us)
        rate, engine, wanted, server = ("-" if figure is None else f"{figure:,.2f}" for figure in figures)
        sys.stdout.write(f"{name:<24}{rate.partition('.')[0]:>12}{engine:>18}{wanted:>8}{server:>14}\n")


if __name__ == "__main__":
    main()
