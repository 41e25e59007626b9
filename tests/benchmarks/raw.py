"""A trial's raw results, made by hand with known times."""

from __future__ import annotations

import dataclasses
import zlib
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path

from streamlanes.benchmarks.kinds import Streams, discover
from streamlanes.benchmarks.machine.clocks import ProcessTime, TCPCount
from streamlanes.benchmarks.spec.expected import Expected
from streamlanes.benchmarks.spec.records import (
    Column,
    Engine,
    Reader,
    Sample,
    Sends,
    Trial,
    pack,
    write_record,
    write_trial,
)
from streamlanes.producers.events import Item
from streamlanes.producers.pacing.journal import Journal
from tests.benchmarks.rows import of_lane, read_by, role

MS = 1_000_000


def checksum(events: int) -> int:
    """Of the data 1, 2, 3, …"""
    return zlib.crc32("".join(f"{n}\n" for n in range(1, events + 1)).encode())


def reader(epoch: str, events: int, *, index: int = 0, request_ns: int = 0) -> Reader:
    """A reader that got its whole stream."""
    return Reader(
        index=index,
        epoch=epoch,
        scheduled_ns=request_ns,
        request_ns=request_ns,
        connect_ns=MS,
        ended_ns=request_ns,
        events=events,
        sent=0,
        checksum=checksum(events),
        outcome="completed",
        missing=0,
        error=None,
    )


def write_raw(
    folder: Path,
    streams: Sequence[int] = (3,),
    *,
    kind: str = "load",
    lane: str = "sse",
    round_number: int = 1,
    point: Mapping[str, float] | None = None,
    readers: int = 1,
    offsets: Sequence[int] | None = None,
    error: str | None = None,
    server: tuple[int, int] = (30, 0),
    boot_ids: Sequence[str] = ("boot",),
    warm_up: float = 0.0,
    steal: float = 0.0,
    tcp: TCPCount | None = None,
) -> Path:
    """Write a trial of streams with so many events, each with so many *readers*; *offsets* are what the first reader
    got instead of all; *server* is what it used of a CPU and waited for one in the trial's second, in ms; *boot_ids*
    are those of the machines of the engine's shards, the server's being `boot`.

    Event n of a stream is due at n ms, woken for 0.1 ms later, appended 0.2 ms after that and received 0.7 ms after
    that: a latency of 1 ms. In round-trip trials the engine sends it 0.1 ms after it was due, though every tenth could
    not have been sent before.
    """
    journal = folder / "journal"
    journal.mkdir(parents=True)
    seen: list[tuple[Reader, Column, Sends]] = []
    for number, events in enumerate(streams):
        stream = Journal(journal, f"e{number}")
        for n in range(1, events + 1):
            stream.write([Item(n, due_ns=n * MS)], n * MS + MS // 10, n * MS + 3 * MS // 10)
        stream.close()
        numbers = range(1, events + 1) if kind == "rtt" else ()
        ready = array("q", [n * MS + (MS // 10 if n % 10 == 0 else 0) for n in numbers])
        sends = Sends(array("q", [n * MS for n in numbers]), ready, array("q", [n * MS + MS // 10 for n in numbers]))
        for _ in range(readers):
            got = array("q", range(1, events + 1) if offsets is None or seen else offsets)
            one = reader(f"e{number}", events, index=len(seen))
            one = dataclasses.replace(one, events=len(got), sent=len(numbers))
            seen.append((one, Column(got, array("q", [n * MS + MS for n in got])), sends))
    for shard, boot_id in enumerate(boot_ids):
        part = seen[shard :: len(boot_ids)]
        engine = Engine(
            boot_id=boot_id,
            time_namespace="time",
            loop="asyncio",
            samples=(
                Sample(0, ProcessTime(70 * MS, 0), ProcessTime(10 * MS, 0)),
                Sample(1_000 * MS, ProcessTime((70 + server[0]) * MS, server[1] * MS), ProcessTime(70 * MS, 0)),
            ),
            readers=tuple(one for one, _, _ in part),
        )
        write_record(folder, shard, pack(engine, (column for _, column, _ in part), (sends for *_, sends in part)))
    expected = tuple(
        Expected(events=events, checksum=checksum(events), first_ns=MS, duration_ns=events * MS) for events in streams
    )
    trial = Trial(
        kind=kind,
        lane=lane,
        of_lane=of_lane(lane),
        reader=read_by(lane),
        role=role(lane),
        round=round_number,
        seed=1,
        point=point or {},
        deadline=0.1,
        warm_up=warm_up,
        expected=expected[:1] if discover()[kind].streams is Streams.ONE_FOR_ALL else expected,
        boot_id="boot",
        time_namespace="time",
        steal=steal,
        tcp=tcp,
        error=error,
    )
    write_trial(folder, trial)
    return folder
