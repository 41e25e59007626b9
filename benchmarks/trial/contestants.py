"""Contestants: which server, over which lane, read by what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from streamlanes.benchmarks.machine.processes import Placement
from streamlanes.benchmarks.spec.records import StartedStream
from streamlanes.benchmarks.spec.role import Role
from streamlanes.benchmarks.spec.workload import Workload
from streamlanes.benchmarks.trial.server import Server, serving, start
from streamlanes.producers.wire import LONG_POLL, SSE, WEBSOCKET


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

    @property
    def role(self) -> Role:
        """What it takes part for."""
        ...

    def serving(self, workload: Workload, folder: Path, where: Placement) -> AbstractContextManager[Server]:
        """Run a server for one trial, its journal in *folder*. Raises ProcessError if it doesn't get ready."""
        ...

    def start(self, server: Server, workload: Workload) -> StartedStream:
        """Start the stream of an audience. Raises ProcessError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A lane of this project's own server."""

    name: str
    lane: str
    reader: str
    role: Role = Role.LANE
    baselines: bool = False

    @contextmanager
    def serving(self, workload: Workload, folder: Path, where: Placement) -> Iterator[Server]:
        options = [*workload.options, *(["--baselines"] if self.baselines else [])]
        with serving(folder, where, options) as server:
            yield server

    def start(self, server: Server, workload: Workload) -> StartedStream:
        return start(server.url, self.lane, workload)

    def again(self) -> Lane:
        """Return the same lane as a contestant of its own: the difference between the two is chance."""
        return replace(self, name=f"{self.name}~again", role=Role.AGAIN)

    def read_with(self, reader: str, library: str) -> Lane:
        """Return the same lane, read by *library*, which the engine knows as *reader*."""
        return replace(self, name=f"{self.name}+{library}", reader=reader, role=Role.CLIENT)

    def alone(self) -> Lane:
        """Return the same server when nobody reads."""
        return replace(self, name="no readers", role=Role.ALONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """A wire's bytes, from a bare event loop."""

    name: str
    reader: str
    role: Role = Role.FLOOR

    @property
    def lane(self) -> str:
        return self.name

    @contextmanager
    def serving(self, workload: Workload, folder: Path, where: Placement) -> Iterator[Server]:
        options = [*workload.options, "--lane", self.name]
        with serving(folder, where, options, ("streamlanes.benchmarks.servers.floor",)) as server:
            yield server

    def start(self, server: Server, workload: Workload) -> StartedStream:
        return start(server.url, self.lane, workload)


FLOORS: Final = (
    Floor(name="floor", reader=SSE),
    Floor(name="floor-ws", reader=WEBSOCKET),
    Floor(name="floor-poll", reader=LONG_POLL),
)
"""The floors of the wires; `ndjson`'s bytes are as many as those of SSE, and go out in the same way."""
