"""A trial's raw results, made by hand with known times."""

from __future__ import annotations

import dataclasses
import zlib
from array import array
from collections.abc import Sequence
from pathlib import Path

from benchmarks.clocks import ProcessTime
from benchmarks.expected import Expected
from benchmarks.records import Column, Engine, Kind, Reader, Sample, Sends, Trial, write_engine, write_trial
from producers.events import Item
from producers.journal import Journal

MS = 1_000_000


def checksum(events: int) -> int:
    """Of the data 1, 2, 3, …"""
    return zlib.crc32("".join(f"{n}\n" for n in range(1, events + 1)).encode())


def reader(epoch: str, events: int, *, request_ns: int = 0) -> Reader:
    """A reader that got its whole stream."""
    return Reader(
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
    kind: Kind = "load",
    lane: str = "sse",
    round_number: int = 1,
    offsets: Sequence[int] | None = None,
    error: str | None = None,
    server: tuple[int, int] = (30, 0),
) -> Path:
    """Write a trial of streams with so many events; *offsets* are what the first reader got instead of all; *server* is
    what it used of a CPU and waited for one in the trial's second, in ms.

    Event n of a stream is due at n ms, woken for 0.1 ms later, appended 0.2 ms after that and received 0.7 ms after
    that: a latency of 1 ms. In round-trip trials the engine sends it 0.1 ms after it was due, though every tenth could
    not have been sent before.
    """
    journal = folder / "journal"
    journal.mkdir(parents=True)
    readers: list[Reader] = []
    columns: list[Column] = []
    sends: list[Sends] = []
    for number, events in enumerate(streams):
        stream = Journal(journal, f"e{number}")
        for n in range(1, events + 1):
            stream.write([Item(n, due_ns=n * MS)], n * MS + MS // 10, n * MS + 3 * MS // 10)
        stream.close()
        got = array("q", range(1, events + 1) if offsets is None or number else offsets)
        columns.append(Column(got, array("q", [n * MS + MS for n in got])))
        numbers = range(1, events + 1) if kind == "rtt" else ()
        ready = array("q", [n * MS + (MS // 10 if n % 10 == 0 else 0) for n in numbers])
        sent = array("q", [n * MS + MS // 10 for n in numbers])
        sends.append(Sends(array("q", [n * MS for n in numbers]), ready, sent))
        readers.append(dataclasses.replace(reader(f"e{number}", events), events=len(got), sent=len(numbers)))
    write_engine(
        folder,
        Engine(
            boot_id="boot",
            time_namespace="time",
            loop="asyncio",
            samples=(
                Sample(0, ProcessTime(70 * MS, 0), ProcessTime(10 * MS, 0)),
                Sample(1_000 * MS, ProcessTime((70 + server[0]) * MS, server[1] * MS), ProcessTime(70 * MS, 0)),
            ),
            readers=tuple(readers),
        ),
        columns,
        sends,
    )
    trial = Trial(
        kind=kind,
        lane=lane,
        wire=lane,
        round=round_number,
        seed=1,
        deadline=0.1,
        expected=tuple(
            Expected(events=events, checksum=checksum(events), first_ns=MS, duration_ns=events * MS)
            for events in streams
        ),
        boot_id="boot",
        time_namespace="time",
        steal=0.0,
        error=error,
    )
    write_trial(folder, trial)
    return folder
