"""What one trial does, on whatever lane."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from benchmarks.expected import Expected
from benchmarks.plan import Session
from benchmarks.tasks import Audience, Task

if TYPE_CHECKING:  # a result is what a workload led to
    from benchmarks.results import Result

Point: TypeAlias = "Mapping[str, float]"


class Network(Protocol):
    """What lies between the engine and the server."""

    def __call__(self, url: str, pid: int | None, *, folder: Path, cpu: int | None) -> AbstractContextManager[str]:
        """Return a block in which the server at *url*, process *pid*, is reached by another URL, which it gives.

        What there is to tell of it is in the trial's *folder* afterwards. A process for it runs on *cpu*.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A task for the engine, what the server needs for it, and what must come of it."""

    kind: str
    task: Task
    expected: tuple[Expected, ...]
    """Of each session, or of the one stream that there is."""
    duration: float
    """Seconds from the start of the clock to when the last event is due, at least."""
    point: Point = field(default_factory=dict)
    """Where in a sweep."""
    deadline: float = 0.0
    """Seconds from due to received, for goodput."""
    stream: Session | None = None
    """Started for an audience; its first event is due as `expected` says, so that the readers are there by then."""
    opens: float = 0.0
    """Seconds from the stream's creation to when the window begins."""
    warm_up: float = 0.0
    """Seconds from the stream's first event in which events are left out of all figures."""
    options: Sequence[str] = ()
    """Of `streamlanes serve`."""
    network: Network | None = None
    then: Callable[[Result], Workload | None] | None = None
    """What is to be run next on the same lane, now that this has come of it: a search goes on."""


def without_readers(workload: Workload) -> Workload:
    """Return the same stream with nobody to read it."""
    if not isinstance(workload.task, Audience):
        raise TypeError(f"{workload.kind} trials have no audience")
    stay = max(workload.duration - workload.opens, 0)
    return replace(workload, task=replace(workload.task, readers=0, stay=stay), then=None)
