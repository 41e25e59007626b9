"""The kinds of trials, a module each with a `KIND`: a table of a scenario, its workloads, and the figures they give.

A scenario's table goes in, workloads come out; a trial's raw results go in, figures come out. Imports `analysis`,
`trial.network`, `relay` and `spec`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, dataclass
from enum import Enum, auto
from functools import cache
from typing import ClassVar, Final, NamedTuple, Protocol, TypeGuard

from streamlanes.benchmarks.analysis.caveats import Caveat
from streamlanes.benchmarks.analysis.figures import Figures
from streamlanes.benchmarks.analysis.recorded import Recorded
from streamlanes.benchmarks.spec.role import Role
from streamlanes.benchmarks.spec.trace import Trace
from streamlanes.benchmarks.spec.workload import Workload
from streamlanes.producers.discovery import defined


class Part(Protocol):
    """The settings of a kind, as they stand in a scenario: a frozen dataclass that pydantic checks."""

    __dataclass_fields__: ClassVar[dict[str, Field[object]]]

    @property
    def rounds(self) -> int:
        """How often each lane's trials are run."""
        ...

    def workloads(self, *, seed: int, round_number: int) -> list[Workload]:
        """Return the trials of a round, the same for every lane; the same seed and round give the same ones."""
        ...

    def title(self) -> str:
        """Say in a few words what is measured."""
        ...

    def notes(self) -> tuple[str, ...]:
        """Say what the load was, for the notes of a table."""
        ...


class TracedPart(Part, Protocol):
    """Settings of which a recorded trace can take the place, as to who comes when, and for how much."""

    def traced(self, trace: Trace, *, seed: int, round_number: int) -> list[Workload]:
        """Return the trials of a round with the trace's times and counts."""
        ...


def is_traced(part: Part) -> TypeGuard[TracedPart]:
    """Say whether a recorded trace can take the place of these settings."""
    return hasattr(part, "traced")


class Pace(Enum):
    """What sets a trial's pace, and so when a server counts as overloaded."""

    SCHEDULE = auto()
    """Events are due at their times: overloaded is a backlog that grows, or a CPU that is busy for a whole second."""
    STRAIN = auto()
    """The same, but a busy second is what there is to see: only a backlog that grows is overloaded."""
    READER = auto()
    """The reader takes what it can; nothing is late."""


class Measures(Enum):
    """What a kind's figures are about."""

    LANES = auto()
    HARNESS = auto()
    """An instrument: who can't take part in it is left out of it, and no lanes are compared by it."""


class Streams(Enum):
    """What readers read."""

    EACH_ITS_OWN = auto()
    ONE_FOR_ALL = auto()


class Servers(Enum):
    """Which server will do."""

    ANY = auto()
    """Also one that is running already, elsewhere."""
    OURS = auto()
    """A process of ours: with options, faults, clocks or memory of it."""


ONLY_LANES: Final = frozenset({Role.LANE, Role.AGAIN})
ONE_STREAM: Final = ONLY_LANES | {Role.FLOOR, Role.EXTERNAL}
"""Who can take part where all read one stream, which is what other servers can carry."""


class EngineLoad(NamedTuple):
    """What the load engine's own ceiling is measured with."""

    events: int
    size: int
    """Bytes of each event's JSON text."""
    seconds: float


def _none(figures: Mapping[str, float], ceiling: float | None) -> Sequence[Caveat]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of trial."""

    name: str
    """Name of the scenario's table, and of the kind in results."""
    heading: str
    """Title of its sections on a page."""
    part: type[Part]
    """Settings: the table's."""
    figures: Callable[[Recorded], Figures]
    """Function that computes what a correct trial came to."""
    tables: tuple[tuple[str, ...], ...]
    """Metrics of each table that the terminal shows."""
    pace: Pace = Pace.SCHEDULE
    streams: Streams = Streams.ONE_FOR_ALL
    servers: Servers = Servers.OURS
    measures: Measures = Measures.LANES
    roles: frozenset[Role] = ONE_STREAM
    """Roles of the contestants that can take part."""
    sends: bool = False
    """Whether clients send, so that a lane needs a way up."""
    text: Callable[[str], Mapping[str, object]] | None = None
    """Function from a text to the settings that have it streamed; None: no text can be."""
    engine_load: Callable[[Part], EngineLoad] | None = None
    """Function from settings to what the engine's ceiling is measured with; None: it doesn't matter."""
    doubts: Callable[[Mapping[str, float], float | None], Sequence[Caveat]] = _none
    """Function from a lane's figures over all rounds, and the engine's ceiling (events/s, where it was measured and
    matters), to caveats that a single trial hasn't samples enough for."""


@cache
def discover() -> Mapping[str, Kind]:
    """Return all kinds by name."""
    kinds: list[Kind] = defined(sys.modules[__name__], "KIND")
    return {kind.name: kind for kind in kinds}
