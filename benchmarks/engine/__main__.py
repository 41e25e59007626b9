"""The engine's process: a spec in, progress out, records left in the trial's folder."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from typing import Final

import aiohttp

from benchmarks.engine.decoding import Fault
from benchmarks.engine.load import Load
from benchmarks.engine.loops import loop_factory
from benchmarks.engine.wires import discover
from benchmarks.records import Engine, load_spec, write_engine

PROGRESS_SECONDS: Final = 0.2


def main() -> int:
    """Read a spec from standard input and carry it out; return the exit code."""
    spec = load_spec(sys.stdin.buffer.read())
    reader = discover().get(spec.wire)
    if reader is None:
        return _fail(f"the load engine can't read lane {spec.lane}: it has no reader for the wire {spec.wire!r}")
    if reader.way_up is None and any(session.messages for session in spec.sessions):
        return _fail(f"the load engine can't send to lane {spec.lane}: its wire {spec.wire!r} has no way up")
    load = Load(spec, reader)
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            engine = runner.run(_with_progress(load))
    except (Fault, aiohttp.ClientError, OSError) as error:
        return _fail(str(error) or type(error).__name__)
    columns = (recorder.column for recorder in load.recorders)
    write_engine(spec.folder, engine, columns, (recorder.sends for recorder in load.recorders))
    return 0


async def _with_progress(load: Load) -> Engine:
    reporting = asyncio.create_task(_report(load))
    try:
        return await load.run()
    finally:
        reporting.cancel()
        with suppress(asyncio.CancelledError):
            await reporting
        _print_progress(load)


async def _report(load: Load) -> None:
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        _print_progress(load)


def _print_progress(load: Load) -> None:
    events = sum(len(recorder.column.offsets) for recorder in load.recorders)
    sys.stdout.write(json.dumps({"events": events}) + "\n")
    sys.stdout.flush()


def _fail(message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
