"""The rows of a report: which server, over which lane, read by what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.processes import Placement
from benchmarks.records import Started
from benchmarks.results import AGAIN
from benchmarks.server import Server, serving, start
from benchmarks.workload import Workload
from producers.wire import Wire


class Contestant(Protocol):
    """Something that a stream can be read from."""

    @property
    def name(self) -> str:
        """The report's row."""
        ...

    @property
    def lane(self) -> str:
        """The lane's URL segment, where there is one."""
        ...

    @property
    def reader(self) -> str:
        """Which reader of the engine's reads it."""
        ...

    def serving(self, workload: Workload, folder: Path, where: Placement) -> AbstractContextManager[Server]:
        """Run a server for one trial, its journal in *folder*. Raises ProcessError if it doesn't get ready."""
        ...

    def start(self, server: Server, workload: Workload) -> Started:
        """Start the stream of an audience. Raises ProcessError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A lane of this project's own server."""

    name: str
    lane: str
    reader: str
    baselines: bool = False

    @contextmanager
    def serving(self, workload: Workload, folder: Path, where: Placement) -> Iterator[Server]:
        options = [*workload.options, *(["--baselines"] if self.baselines else [])]
        with serving(folder, where, options) as server:
            yield server

    def start(self, server: Server, workload: Workload) -> Started:
        return start(server.url, self.lane, workload)


def entries(lanes: Sequence[str], wires: Mapping[str, Wire], *, twice: bool) -> list[Contestant]:
    """Return the rows of *lanes*; with *twice*, the first one is entered a second time."""
    names = [(lane, lane) for lane in lanes] + ([(f"{lanes[0]}{AGAIN}", lanes[0])] if twice else [])
    return [Lane(name=name, lane=lane, reader=wires[lane]) for name, lane in names]
