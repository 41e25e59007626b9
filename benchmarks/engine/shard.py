"""One shard of the engine: a spec in, a record out, in whatever process it is called."""

from __future__ import annotations

import asyncio

import aiohttp

from streamlanes.benchmarks.engine import clients, wires
from streamlanes.benchmarks.engine.allocator import keep_freed
from streamlanes.benchmarks.engine.decoding.decoder import ReadingFailed
from streamlanes.benchmarks.engine.load import ShardLoad
from streamlanes.benchmarks.engine.wires import WireReader
from streamlanes.benchmarks.machine.event_loop import loop_factory
from streamlanes.benchmarks.machine.resources import HarnessError, lacking
from streamlanes.benchmarks.spec.records import Record, load_spec, pack
from streamlanes.benchmarks.spec.tasks import Sessions
from streamlanes.producers.open_files import allow_open_files


class ShardError(Exception):
    """The shard couldn't begin; the message says why."""


def prepare(reader: str) -> None:
    """Import what *reader* takes, so that no trial's clock runs meanwhile."""
    _reader(reader)


def work(text: bytes) -> Record:
    """Carry out the `records.Spec` in *text*.

    Takes and returns plain bytes, so that it can be called in another process, or on another machine. Raises
    ShardError, and HarnessError if the machine has too little of something for it.
    """
    spec = load_spec(text)
    reader = _reader(spec.reader)
    if reader is None:
        raise ShardError(f"the load engine can't read lane {spec.lane}: it has no reader named {spec.reader!r}")
    sending = isinstance(spec.task, Sessions) and any(session.messages for session in spec.task.sessions)
    if reader.way_up is None and sending:
        raise ShardError(f"the load engine can't send to lane {spec.lane}: its wire {spec.reader!r} has no way up")
    allow_open_files()  # readers have a connection each
    keep_freed()
    load = ShardLoad(spec, reader)
    try:
        with asyncio.Runner(loop_factory=None if load.calibrating else loop_factory()) as runner:
            engine = runner.run(load.run())
    except (ReadingFailed, aiohttp.ClientError, OSError) as error:
        lacks = load.lacks or lacking(error)
        if lacks is not None:
            raise HarnessError(lacks) from error
        raise ShardError(str(error) or type(error).__name__) from error
    if load.lacks is not None:
        raise HarnessError(load.lacks)
    columns = (recorder.column for recorder in load.recorders)
    return pack(engine, columns, (recorder.sends for recorder in load.recorders))


def _reader(name: str) -> WireReader | None:
    # Only who is read by a client needs the libraries.
    return wires.discover().get(name) or clients.discover().get(name)
