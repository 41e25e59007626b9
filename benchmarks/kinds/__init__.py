"""The kinds of trials, a module each with a `KIND`: a table of a scenario, its workloads, and the figures they give."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass
from importlib import import_module
from typing import ClassVar, Protocol

from streamlanes.benchmarks.analysis.figures import Figures
from streamlanes.benchmarks.analysis.recorded import Recorded
from streamlanes.benchmarks.spec.trace import Trace
from streamlanes.benchmarks.spec.workload import Workload


class Part(Protocol):
    """The settings of a kind, as they stand in a scenario: a frozen dataclass that pydantic checks."""

    __dataclass_fields__: ClassVar[dict[str, Field[object]]]

    @property
    def rounds(self) -> int:
        """How often each lane's trials are run."""
        ...

    def workloads(self, *, seed: int, round_number: int, trace: Trace | None) -> list[Workload]:
        """Return the trials of a round, the same for every lane; the same seed and round give the same ones."""
        ...

    def title(self) -> str:
        """Say in a few words what is measured."""
        ...

    def notes(self) -> tuple[str, ...]:
        """Say what the load was, for the notes of a table."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of trial."""

    name: str
    """The scenario's table, and the kind in results."""
    part: type[Part]
    figures: Callable[[Recorded], Figures]
    """Computes what a correct trial came to."""
    tables: tuple[tuple[str, ...], ...]
    """The metrics of each table that the terminal shows."""
    paced: bool = True
    """Whether events are due at their times, so that a server without reserve shows a backlog instead of latencies."""
    busy_is_overloaded: bool = True
    """Whether a server that is busy for over 90 % of a second counts as overloaded, whatever its backlog."""
    traced: bool = False
    """Whether a recorded trace takes the place of its own times and counts."""
    alone: bool = False
    """Whether there is a trial without readers too: what producing alone costs."""
    instrument: bool = False
    """Whether it is about the harness: its figures aren't the lane's, and no lanes are compared by them."""
    expects_one: bool = False
    """Whether all readers read the same stream."""
    elsewhere: bool = False
    """Whether a server will do that isn't a process of ours: no option, no fault, no clock and no memory of it."""
    any_client: bool = False
    """Whether any client library will do: it is only to read, and its connections are neither timed nor counted."""


def discover() -> Mapping[str, Kind]:
    """Return all kinds by name."""
    modules = (import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    kinds: list[Kind] = [module.KIND for module in modules if hasattr(module, "KIND")]
    return {kind.name: kind for kind in kinds}
