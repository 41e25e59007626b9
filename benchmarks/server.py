"""The server under test, and the pacer of its producers: fresh processes for every trial."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.plan import PREFILLED, Session
from benchmarks.processes import Child, child

READY_SECONDS: Final = 20.0
READY: Final = "listening on "


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ready."""

    url: str
    pid: int
    pacer_pid: int


@contextmanager
def serving(
    folder: Path, *, cpu: int | None = None, pacer_cpu: int | None = None, prefilled: Session | None = None
) -> Iterator[Server]:
    """Run `streamlanes serve` on a free port until the block ends, its journal in *folder*`/journal`.

    Its producers are woken by a process of its own (see `producers.pacer`). With *prefilled*, it has that shared stream
    and keeps all of it. Raises ProcessError if it doesn't get ready, or if the pacer failed meanwhile.
    """
    journal = folder / "journal"
    journal.mkdir()
    # -P: a folder named like one of the packages, where the user is, must not take its place.
    command = [sys.executable, "-P", "-m", "streamlanes", "serve", "--port", "0", "--journal", str(journal)]
    if prefilled is not None:
        command += ["--stream", f"{PREFILLED}={prefilled.producer},{_pairs(prefilled.params)}"]
        count, size = int(prefilled.params["count"]), int(prefilled.params["size"])
        command += ["--retain-events", str(count), "--retain-bytes", str(count * size)]
    with ExitStack() as stack:
        pacer, process = _start(stack, command, folder=folder, cpu=cpu, pacer_cpu=pacer_cpu)
        for line in process.lines(READY_SECONDS):
            if line.startswith(READY):
                yield Server(line.removeprefix(READY).strip(), process.process.pid, pacer.process.pid)
                if pacer.process.poll():
                    raise pacer.error(f"ended with code {pacer.process.returncode}")
                return
        raise process.error("didn't start")


def _start(
    stack: ExitStack, command: Sequence[str], *, folder: Path, cpu: int | None, pacer_cpu: int | None
) -> tuple[Child, Child]:
    """Start the pacer and the server, either with its end of a pair of sockets that nobody else keeps open."""
    theirs, ours = socket.socketpair()
    with theirs, ours:
        pacing = [sys.executable, "-P", "-m", "producers.pacer", str(theirs.fileno())]
        pacer = child("pacer", pacing, folder=folder, cpu=pacer_cpu, inherited=[theirs.fileno()])
        paced = [*command, "--pacer", str(ours.fileno())]
        server = child("server", paced, folder=folder, cpu=cpu, inherited=[ours.fileno()])
        return stack.enter_context(pacer), stack.enter_context(server)


def _pairs(params: Mapping[str, str | int | float]) -> str:
    return ",".join(f"{key}={value}" for key, value in params.items())
