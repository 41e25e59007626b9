"""The server under test: a fresh process for every trial."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urljoin

import httpx

from benchmarks.processes import Child, ProcessError, child
from benchmarks.records import Started
from benchmarks.workload import Workload
from producers.errors import InvalidCursor
from producers.events import Cursor

READY_SECONDS: Final = 20.0
READY: Final = "listening on "
PRODUCT: Final = ("streamlanes", "serve")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ready."""

    url: str
    pid: int | None
    """None: it isn't a process of this machine, or not of ours, so that its clocks can't be read."""


@contextmanager
def serving(
    folder: Path, *, cpu: int | None = None, options: Sequence[str] = (), program: Sequence[str] = PRODUCT
) -> Iterator[Server]:
    """Run a *program*, `python -m` of which is a server, on a free port until the block ends.

    Its journal is in *folder*`/journal`. Raises ProcessError if it doesn't get ready.
    """
    journal = folder / "journal"
    journal.mkdir()
    # -P: a folder named like one of the packages, where the user is, must not take its place.
    command = [sys.executable, "-P", "-m", *program, "--port", "0", "--journal", str(journal), *options]
    with child("server", command, folder=folder, cpu=cpu) as process:
        yield ready(process)


def ready(process: Child) -> Server:
    """Return the server that *process* is, once it says that it is ready. Raises ProcessError."""
    for line in process.lines(READY_SECONDS):
        if line.startswith(READY):
            return Server(line.removeprefix(READY).strip(), process.process.pid)
    raise process.error("didn't start")


def start(url: str, lane: str, workload: Workload) -> Started:
    """Start the stream of an audience on the server at *url*. Raises ProcessError."""
    session = workload.stream
    if session is None:
        raise ValueError("the workload has no stream to start")
    try:
        response = httpx.post(f"{url}/start", json={"producer": session.producer, "params": dict(session.params)})
        response.raise_for_status()
        started = response.json()
        epoch = Cursor.parse(started["cursor"]).epoch
        link = urljoin(url, started["links"][lane])
    except (httpx.HTTPError, KeyError, TypeError, ValueError, InvalidCursor) as error:
        raise ProcessError(f"POST /start: {error!r}") from error
    return Started(url=link, epoch=epoch, events=workload.expected[0].events)
