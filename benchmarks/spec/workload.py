"""What one trial does, on whatever lane."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Protocol, TypeAlias

from streamlanes.benchmarks.spec.expected import Expected, expect
from streamlanes.benchmarks.spec.interleaving import Turns
from streamlanes.benchmarks.spec.sessions import ProducerParams, SessionPlan
from streamlanes.benchmarks.spec.tasks import Audience, Sessions, Task

Point: TypeAlias = "Mapping[str, float]"


def told(point: Point, between: str = ", ") -> str:
    """Return a point as people read it; empty if there is none."""
    return between.join(f"{name}={value:g}" for name, value in point.items())


class TrialFinding(Protocol):
    """What a trial came to, as far as the next one depends on it."""

    @property
    def correct(self) -> bool:
        """Nothing was lost, repeated, reordered or changed, and the trial wasn't broken off."""
        ...

    @property
    def overloaded(self) -> bool:
        """The lane fell behind."""
        ...

    @property
    def figures(self) -> Mapping[str, float]:
        """By the names of `metrics`."""
        ...


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
    """What must come of each session, or of the one stream that there is."""
    duration: float
    """Seconds from the start of the clock to when the last event is due, at least."""
    point: Point = field(default_factory=dict)
    """Place in a sweep."""
    deadline: float = 0.0
    """Seconds from due to received, for goodput."""
    stream: SessionPlan | None = None
    """Stream that is started for an audience; its first event is due as `expected` says, so that the readers are
    there."""
    opens: float = 0.0
    """Seconds from the stream's creation to when the window begins."""
    warm_up: float = 0.0
    """Seconds from the stream's first event in which events are left out of all figures."""
    turn: float = 0.0
    """Seconds of each turn that it takes with the same workload on other lanes; 0: each lane's trial is run alone."""
    turns: Turns | None = None
    """Those that it takes, once it is known with how many others."""
    options: Sequence[str] = ()
    """Options of `streamlanes serve`."""
    network: Network | None = None
    then: Callable[[TrialFinding], Workload | None] | None = None
    """What is to be run next on the same lane, now that this has come of it: a search goes on."""

    @property
    def connections(self) -> int:
        """How many there are at a time, at the most, if every session ends when its last event is due."""
        if isinstance(self.task, Audience):
            return self.task.readers
        if not isinstance(self.task, Sessions):
            return 1
        both = zip(self.task.sessions, self.expected, strict=True)
        spans = [(session.at_ns, session.at_ns + expected.duration_ns) for session, expected in both]
        changes = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
        return max(accumulate(change for _, change in changes), default=0)


def to_an_audience(kind: str, task: Audience, params: ProducerParams) -> Workload:
    """Return the trial of one stream of `ticker`'s, read by *task*'s readers, up to when its last event is due."""
    stream = SessionPlan(at_ns=0, producer="ticker", params=params)
    (expected,) = expect([stream])
    return Workload(kind=kind, task=task, expected=(expected,), duration=expected.duration_ns / 1e9, stream=stream)


def in_turn(workload: Workload, place: int, count: int) -> Workload:
    """Return what the trial at *place* of *count* does that take turns with it, all started at the same time."""
    if workload.stream is None:
        raise TypeError(f"{workload.kind} trials have no stream that could come in turns")
    turns = Turns.at(place, count, workload.turn)
    params = workload.stream.params
    delay = float(params.get("delay", 0.0)) + turns.after
    stream = replace(workload.stream, params={**params, "delay": delay, "burst": turns.turn, "pause": turns.pause})
    (expected,) = expect([stream])
    warm_up = turns.real(workload.warm_up)
    return replace(
        workload,
        stream=stream,
        expected=(expected,),
        duration=expected.duration_ns / 1e9,
        opens=delay + warm_up,
        warm_up=warm_up,
        turns=turns,
    )


def without_readers(workload: Workload) -> Workload:
    """Return the same stream with nobody to read it."""
    if not isinstance(workload.task, Audience):
        raise TypeError(f"{workload.kind} trials have no audience")
    stay = max(workload.duration - workload.opens, 0)
    return replace(workload, task=replace(workload.task, readers=0, stay=stay), then=None)
