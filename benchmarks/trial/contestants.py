"""The rows of a report: which server, over which lane, read by what."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from streamlanes.benchmarks.machine.processes import Placement
from streamlanes.benchmarks.spec.contestant import AGAIN, ALONE, FLOOR
from streamlanes.benchmarks.spec.records import Started
from streamlanes.benchmarks.spec.workload import Workload
from streamlanes.benchmarks.trial.server import Server, serving, start
from streamlanes.producers.wire import SSE, Wire


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The bytes of the lane `sse`, from a bare event loop."""

    name: str = FLOOR
    lane: str = FLOOR
    reader: str = SSE

    @contextmanager
    def serving(self, workload: Workload, folder: Path, where: Placement) -> Iterator[Server]:
        with serving(folder, where, workload.options, ("streamlanes.benchmarks.servers.floor",)) as server:
            yield server

    def start(self, server: Server, workload: Workload) -> Started:
        return start(server.url, self.lane, workload)


def alone(wires: Mapping[str, Wire]) -> Contestant:
    """Return our server as it is when nobody reads."""
    lane = next(iter(wires))
    return Lane(name=ALONE, lane=lane, reader=wires[lane])


def entries(
    lanes: Sequence[str],
    wires: Mapping[str, Wire],
    baselines: Container[str],
    others: Mapping[str, Contestant],
    *,
    twice: bool,
) -> list[Contestant]:
    """Return the rows of *lanes*, some of which are *others* than our server's.

    With *twice*, the first one of our server's is entered a second time.
    """
    own = [lane for lane in lanes if lane not in others]
    names = [(lane, lane) for lane in lanes] + ([(f"{own[0]}{AGAIN}", own[0])] if twice and own else [])
    return [
        others.get(lane) or Lane(name=name, lane=lane, reader=wires[lane], baselines=lane in baselines)
        for name, lane in names
    ]
