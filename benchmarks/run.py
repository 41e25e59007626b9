"""A run: the trials of a schedule, one after the other, each summarised and kept as soon as it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from benchmarks import results
from benchmarks.processes import Placement
from benchmarks.results import Result
from benchmarks.summarise import summarise
from benchmarks.trial import TrialPlan, run_trial

RAW: Final = "raw"


class Observer(Protocol):
    """Told how a run goes on."""

    def started(self, trial: TrialPlan) -> None:
        """A trial begins."""
        ...

    def received(self, events: int) -> None:
        """So many events have come in this trial."""
        ...

    def finished(self, result: Result) -> None:
        """The trial has ended and its result is kept."""
        ...


def run(trials: Sequence[TrialPlan], folder: Path, where: Placement, observer: Observer) -> None:
    """Run *trials* into *folder*, which has the header of its results.

    Interrupted, it leaves the finished trials' results, the raw results of all, and no process.
    """
    for trial in trials:
        observer.started(trial)
        raw = folder / RAW / trial.name
        run_trial(trial, raw, where, observer.received)
        result = summarise(raw)
        results.append(folder, result)
        observer.finished(result)


def seconds(trials: Sequence[TrialPlan]) -> float:
    """Return about how long *trials* take, with the starts of their processes."""
    return sum(trial.duration() + (1.6 if trial.kind == "saturated" else 0.8) for trial in trials)
