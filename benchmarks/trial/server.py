"""The server under test: a fresh process for every trial."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urljoin

import httpx

from streamlanes.benchmarks.engine.connections.http import refusal
from streamlanes.benchmarks.machine.processes import Child, Placement, ProcessError, child
from streamlanes.benchmarks.spec.records import StartedStream
from streamlanes.benchmarks.spec.workload import Workload
from streamlanes.producers.errors import InvalidCursor
from streamlanes.producers.events import Cursor

READY_SECONDS: Final = 20.0
READY: Final = "listening on "
PRODUCT: Final = ("streamlanes", "serve")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ready."""

    url: str
    pid: int | None
    """None: it isn't a process of this machine, or not of ours, so that its clocks can't be read."""
    pacer_pid: int = 0
    """0: it has none of ours."""
    journaled: bool = True
    """Whether it leaves a journal in the trial's folder."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Headers that it wants with every request."""


@contextmanager
def serving(
    folder: Path, where: Placement, options: Sequence[str] = (), program: Sequence[str] = PRODUCT
) -> Iterator[Server]:
    """Run a server, `python -m` *program*, on a free port until the block ends, its journal in *folder*`/journal`.

    Its producers are woken by a process of its own (see `producers.pacer`), beside the engine. Raises ProcessError if
    it doesn't get ready, or if the pacer failed meanwhile.
    """
    journal = folder / "journal"
    journal.mkdir()
    # -P: a folder named like one of the packages, where the user is, must not take its place.
    command = [sys.executable, "-P", "-m", *program, "--port", "0", "--journal", str(journal), *options]
    with ExitStack() as stack:
        pacer, process = _start(stack, command, folder, where)
        yield Server(ready(process), process.process.pid, pacer.process.pid)
        if pacer.process.poll():
            raise pacer.error(f"ended with code {pacer.process.returncode}")


def ready(process: Child) -> str:
    """Return the URL of the server that *process* is, once it says that it is ready. Raises ProcessError."""
    for line in process.lines(READY_SECONDS):
        if line.startswith(READY):
            return line.removeprefix(READY).strip()
    raise process.error("didn't start")


def _start(stack: ExitStack, command: Sequence[str], folder: Path, where: Placement) -> tuple[Child, Child]:
    """Start the pacer and the server, either with its end of a pair of sockets that nobody else keeps open."""
    theirs, ours = socket.socketpair()
    with theirs, ours:
        pacing = [sys.executable, "-P", "-m", "streamlanes.producers.pacing.pacer_process", str(theirs.fileno())]
        pacer = child("pacer", pacing, folder=folder, cpu=where.engine, inherited=[theirs.fileno()])
        paced = [*command, "--pacer", str(ours.fileno())]
        server = child("server", paced, folder=folder, cpu=where.server, inherited=[ours.fileno()])
        return stack.enter_context(pacer), stack.enter_context(server)


def start(url: str, lane: str, workload: Workload, headers: Mapping[str, str] | None = None) -> StartedStream:
    """Start the stream of an audience on the server at *url*. Raises ProcessError."""
    session = workload.stream
    if session is None:
        raise ValueError("the workload has no stream to start")
    try:
        request = {"producer": session.producer, "params": dict(session.params)}
        response = httpx.post(f"{url}/start", json=request, headers=headers, trust_env=False)
        if response.status_code != HTTPStatus.CREATED:
            raise ProcessError(refusal("POST /start", response.status_code, HTTPStatus.CREATED, response.text[:400]))
        started = response.json()
        epoch = Cursor.parse(started["cursor"]).epoch
        link = urljoin(url, started["links"][lane])
    except (httpx.HTTPError, KeyError, TypeError, ValueError, InvalidCursor) as error:
        raise ProcessError(f"POST /start: {error!r}") from error
    return StartedStream(url=link, epoch=epoch, events=workload.expected[0].events)
