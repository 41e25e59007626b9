"""Child processes that are never left behind, and where they run."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, NamedTuple

LAUNCH: Final = Path(__file__).parent / "launch.py"
END_SECONDS: Final = 5.0
"""Seconds that a process may take to go after it has closed its output."""


class ProcessError(Exception):
    """A child process ended, or fell silent, where it shouldn't have; the message has its last words."""


class Placement(NamedTuple):
    """CPUs for the two processes of a trial; None: left to the system."""

    cpus: int
    """Number of CPUs that this process may use."""
    server: int | None
    engine: int | None


def placement() -> Placement:
    """Return two CPUs, if the system lets them be chosen and has two."""
    if sys.platform != "linux":
        return Placement(os.cpu_count() or 1, None, None)
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        return Placement(len(usable), None, None)
    return Placement(len(usable), usable[-1], usable[-2])  # the first CPU serves most interrupts


@dataclass
class Child:
    """A running child process, its standard output, and the file that has its standard error."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    _pending: bytes = b""

    def lines(self, timeout: float) -> Iterator[str]:
        """Yield the lines of standard output until it is closed.

        Raises ProcessError if that takes longer than *timeout* seconds.
        """
        stdout = _pipe(self.process.stdout)
        until = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while True:
                *lines, self._pending = self._pending.split(b"\n")
                yield from (line.decode(errors="replace") for line in lines)
                if not selector.select(max(until - time.monotonic(), 0)):
                    raise self.error(f"took longer than {timeout:.0f} s")
                chunk = os.read(stdout.fileno(), 65_536)
                if not chunk:
                    return
                self._pending += chunk

    def send(self, text: bytes) -> None:
        """Write all of standard input and close it."""
        stdin = _pipe(self.process.stdin)
        try:
            with stdin:
                stdin.write(text)
        except BrokenPipeError as error:
            raise self.error("ended before it was told what to do") from error

    def finish(self) -> None:
        """Wait for a process that has closed its output. Raises ProcessError unless it ended well."""
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            raise self.error("closed its output and didn't go") from None
        if self.process.returncode:
            raise self.error(f"ended with code {self.process.returncode}")

    def error(self, fault: str) -> ProcessError:
        """Return an error with the last of what the process printed."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return ProcessError(f"the {self.name} {fault}" + (f": {lines[-1][:300]}" if lines else ""))


@contextmanager
def child(
    name: str, command: Sequence[str], *, folder: Path, cpu: int | None = None, inherited: Sequence[int] = ()
) -> Iterator[Child]:
    """Run *command* until the block ends; standard error goes to `NAME.log` in *folder*.

    It has the file descriptors *inherited*, by the same numbers, besides the standard ones.

    However the block is left, the process is then killed: what it has to leave is in files by then, and asking it to
    go would only take time. It is in a session of its own, so that a terminal's Ctrl-C reaches only its parent, and
    dies with its parent (see `launch`).
    """
    launch = [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), "-" if cpu is None else str(cpu)]
    log = folder / f"{name}.log"
    with log.open("wb") as stderr:
        # The command is this project's own, and its arguments have been checked.
        process = subprocess.Popen(  # noqa: S603
            [*launch, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
            pass_fds=inherited,
        )
    running = Child(name, process, log)
    try:
        yield running
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise RuntimeError("the process was started without this pipe")
    return pipe
