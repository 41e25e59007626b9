"""The engine's shards: tasks of an executor, processes of this machine or of a cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, BrokenExecutor, Executor, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import Final

from benchmarks.engine import shard
from benchmarks.engine.shard import ShardError, work
from benchmarks.launch import die_with
from benchmarks.records import Record

__all__ = ["ShardError", "cluster", "drive", "prepare", "processes"]

PROGRESS_SECONDS: Final = 0.25
PREPARE_SECONDS: Final = 60.0
"""For workers to start, and to import what they need."""


@contextmanager
def processes(count: int, cpus: Sequence[int] | None) -> Iterator[Executor]:
    """Run *count* worker processes on *cpus* until the block ends; they are gone then, whatever they were doing."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_settle_in, initargs=(os.getpid(), cpus))
    others = set(multiprocessing.active_children())
    try:
        # They load the engine now, and not when a stream has begun, for which its readers would then be late.
        wait([pool.submit(os.getpid) for _ in range(count)])
        yield pool
    finally:
        # A shard that waits for its readers wouldn't hear that it is to stop.
        for process in set(multiprocessing.active_children()) - others:
            process.kill()
        pool.shutdown(cancel_futures=True)


def _settle_in(parent: int, cpus: Sequence[int] | None) -> None:
    """Make a new worker end with its parent, keep to its CPUs, and leave Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(parent)
    if cpus is not None:
        os.sched_setaffinity(0, cpus)


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """Use the workers of the Dask cluster whose scheduler is at *address*. Raises ShardError if it can't be reached."""
    try:
        from distributed import Client  # noqa: PLC0415 (only clusters need it)
    except ModuleNotFoundError as error:
        raise ShardError("a cluster takes the package distributed: pip install 'streamlanes[cluster]'") from error
    try:
        client = Client(address, timeout=10)  # type: ignore[no-untyped-call]  # distributed has no types
    except (OSError, ValueError) as error:
        raise ShardError(f"there is no Dask scheduler at {address}: {error}") from error
    with client:
        yield client.get_executor()  # type: ignore[no-untyped-call]  # see above


def prepare(engine: Executor, reader: str, count: int) -> None:
    """Have *count* workers ready to read with *reader*. Raises ShardError if one dies, or takes PREPARE_SECONDS."""
    try:
        done, waiting = wait([engine.submit(shard.prepare, reader) for _ in range(count)], timeout=PREPARE_SECONDS)
        for future in done:
            future.result()
    except BrokenExecutor as error:
        raise ShardError(f"the load engine's process ended: {error}") from error
    if waiting:
        raise ShardError(f"the load engine wasn't ready in {PREPARE_SECONDS:.0f} s")


def drive(
    engine: Executor, specs: Sequence[bytes], timeout: float, progress: Callable[[float], None]
) -> Sequence[Record]:
    """Carry out *specs*, all at the same time, and return their records in the same order.

    *progress* is told now and then how many seconds have passed. Raises ShardError for a shard that fails, dies, or
    takes longer than *timeout* seconds.
    """
    began = time.monotonic()
    futures = [engine.submit(work, spec) for spec in specs]
    try:
        while True:
            done, waiting = wait(futures, timeout=PROGRESS_SECONDS, return_when=FIRST_EXCEPTION)
            passed = time.monotonic() - began
            progress(passed)
            ended = [future.result() for future in futures if future in done]  # raises what a shard failed with
            if not waiting:
                return [Record(*record) for record in ended]
            if passed > timeout:
                raise ShardError(f"the load engine took longer than {timeout:.0f} s")
    except BrokenExecutor as error:
        raise ShardError(f"the load engine's process ended: {error}") from error
    finally:
        for future in futures:
            future.cancel()
