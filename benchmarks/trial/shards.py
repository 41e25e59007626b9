"""The engine's shards: tasks of an executor, processes of this machine or of a cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from types import ModuleType, TracebackType
from typing import Final, ParamSpec, Self, TypeVar

from streamlanes.benchmarks.engine import shard
from streamlanes.benchmarks.engine.shard import ShardError, work
from streamlanes.benchmarks.machine.launch import die_with
from streamlanes.benchmarks.spec.records import Record

__all__ = ["ShardError", "cluster", "drive", "prepare", "processes"]

P = ParamSpec("P")
T = TypeVar("T")

PROGRESS_SECONDS: Final = 0.25
_INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM)
READY_SECONDS: Final = 60.0
"""Seconds that workers may take to start."""
CONNECT_SECONDS: Final = 10.0
"""Seconds that a cluster's scheduler may take to answer."""


class Processes(Executor):
    """Worker processes of this machine, all of them ready: shards that begin together can't wait for imports."""

    def __init__(self, count: int, cpus: Sequence[int] | None) -> None:
        self._count = count
        self._cpus = cpus
        self._others = set(multiprocessing.active_children())
        self._pool = self._started()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._pool.submit(fn, *args, **kwargs)

    def end(self) -> None:
        """End all workers, whatever they are doing."""
        self._end(self._pool)

    def _end(self, pool: ProcessPoolExecutor) -> None:
        # A shard that waits for its readers wouldn't hear that it is to stop.
        for process in set(multiprocessing.active_children()) - self._others:
            process.kill()
        pool.shutdown(cancel_futures=True)

    def renew(self) -> None:
        """Have others take the place of workers that died or hang."""
        self.end()
        self._pool = self._started()

    def _started(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        initargs = (os.getpid(), self._cpus, context.Barrier(self._count))
        pool = ProcessPoolExecutor(self._count, context, initializer=_settle_in, initargs=initargs)
        try:
            with _hidden_main(), _uninterrupted():
                started = [pool.submit(_nothing) for _ in range(self._count)]
            for ready in started:
                ready.result()
        except BaseException:  # an interrupt too: nobody has the pool yet who could end it
            self._end(pool)
            raise
        return pool


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let SIGINT and SIGTERM come when the block has ended.

    A process whose start is broken off half-way belongs to nobody, and complains. It inherits this (see `_settle_in`).
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Let processes start without the caller's main module until the block ends.

    A new process imports that first, and so a script without `if __name__ == "__main__"` would compare again in it.
    Workers take nothing from there.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def processes(count: int, cpus: Sequence[int] | None) -> Iterator[Executor]:
    """Run *count* worker processes on *cpus* until the block ends; they are gone then, whatever they were doing."""
    workers = Processes(count, cpus)
    try:
        yield workers
    finally:
        workers.end()


def _settle_in(parent: int, cpus: Sequence[int] | None, together: Barrier) -> None:
    """Make a new worker end with its parent, keep to its CPUs, leave Ctrl-C to the parent, and wait for the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
    # It was killed while this process began. A pool's worker holds both ends of the pipe that it waits on, and so would
    # never learn of it.
    if not die_with(parent):
        os._exit(1)
    if cpus is not None:
        os.sched_setaffinity(0, cpus)
    together.wait(READY_SECONDS)


def _nothing() -> None:
    """Show that a worker is there, and has imported the engine for it."""


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """Use the workers of the Dask cluster whose scheduler is at *address*. Raises ShardError if it can't be reached."""
    try:
        from distributed import Client  # noqa: PLC0415 (only clusters need it)
    except ModuleNotFoundError as error:
        raise ShardError("a cluster takes the package distributed: pip install 'streamlanes[cluster]'") from error
    try:
        client = Client(address, timeout=CONNECT_SECONDS)  # type: ignore[no-untyped-call]  # distributed has no types
    except (OSError, ValueError) as error:
        raise ShardError(f"there is no Dask scheduler at {address}: {error}") from error
    with client:
        client.run(_nothing)
        yield client.get_executor()  # type: ignore[no-untyped-call]  # see above


def prepare(engine: Executor, reader: str, count: int) -> None:
    """Have *count* workers ready to read with *reader*. Raises ShardError if one dies, or takes READY_SECONDS."""
    try:
        done, waiting = wait([engine.submit(shard.prepare, reader) for _ in range(count)], timeout=READY_SECONDS)
        for future in done:
            future.result()
    except BrokenExecutor as error:
        if isinstance(engine, Processes):
            engine.renew()
        raise ShardError(f"the load engine's process ended: {error}") from error
    if waiting:
        raise ShardError(f"the load engine wasn't ready in {READY_SECONDS:.0f} s")


class Drive:
    """Specs that are being carried out, all at the same time. A context manager, which gives up what hasn't ended."""

    def __init__(self, engine: Executor, specs: Sequence[bytes], timeout: float) -> None:
        """Begin with *specs*. Raises ShardError; in *timeout* seconds they have to be done."""
        self._engine = engine
        self._timeout = timeout
        self._began = time.monotonic()
        with _alive():
            self._futures = [engine.submit(work, spec) for spec in specs]

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self._began

    def wait(self, seconds: float) -> Sequence[Record] | None:
        """Wait for up to *seconds*; return the records in the order of the specs, None if there is more to wait for.

        Raises ShardError for a shard that fails, dies, or takes too long.
        """
        done, waiting = wait(self._futures, timeout=seconds, return_when=FIRST_EXCEPTION)
        with _alive():
            ended = [future.result() for future in self._futures if future in done]  # raises what a shard failed with
        if not waiting:
            return [Record(*record) for record in ended]
        if self.seconds > self._timeout:
            raise ShardError(f"the load engine took longer than {self._timeout:.0f} s")
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        given_up = [future for future in self._futures if not future.cancel() and not future.done()]
        if isinstance(self._engine, Processes) and (given_up or any(_is_broken(future) for future in self._futures)):
            self._engine.renew()  # the next trial isn't to wait for them; a cluster sees to its workers itself


def drive(
    engine: Executor, specs: Sequence[bytes], timeout: float, progress: Callable[[float], None]
) -> Sequence[Record]:
    """Carry out *specs* and return their records in the same order (see `Drive`). Raises ShardError.

    *progress* is told now and then how many seconds have passed.
    """
    with Drive(engine, specs, timeout) as driven:
        progress(driven.seconds)
        while (records := driven.wait(PROGRESS_SECONDS)) is None:
            progress(driven.seconds)
    return records


@contextmanager
def _alive() -> Iterator[None]:
    try:
        yield
    except BrokenExecutor as error:
        raise ShardError(f"the load engine's process ended: {error}") from error


def _is_broken(future: Future[Record]) -> bool:
    return future.done() and not future.cancelled() and isinstance(future.exception(), BrokenExecutor)
