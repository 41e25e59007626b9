"""The rows of a report: which server, over which lane, read by what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from benchmarks.processes import Placement
from benchmarks.records import Started
from benchmarks.server import Server, serving, start
from benchmarks.workload import Workload
from producers.wire import SSE, Wire

AGAIN: Final = "~again"
"""Ends the name of a lane that is entered a second time: the difference between the two is chance (A/A)."""
FLOOR: Final = "floor"


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
        with serving(folder, cpu=where.server, options=options) as server:
            yield server

    def start(self, server: Server, workload: Workload) -> Started:
        return start(server.url, self.lane, workload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The bytes of the lane `sse`, from a bare event loop."""

    name: str = FLOOR
    lane: str = FLOOR
    reader: str = SSE

    @contextmanager
    def serving(self, workload: Workload, folder: Path, where: Placement) -> Iterator[Server]:
        program = ("benchmarks.servers.floor",)
        with serving(folder, cpu=where.server, options=workload.options, program=program) as server:
            yield server

    def start(self, server: Server, workload: Workload) -> Started:
        return start(server.url, self.lane, workload)


def entries(
    lanes: Sequence[str], wires: Mapping[str, Wire], others: Mapping[str, Contestant], *, twice: bool
) -> list[Contestant]:
    """Return the rows of *lanes*, which are this project's own or *others*; with *twice*, the first one once more.

    It is the first of this project's own that is entered a second time.
    """
    own = [lane for lane in lanes if lane not in others]
    names = [(lane, lane) for lane in lanes] + ([(f"{own[0]}{AGAIN}", own[0])] if twice and own else [])
    return [others.get(lane) or Lane(name=name, lane=lane, reader=wires[lane]) for name, lane in names]
