"""A run: the trials of a schedule, one after the other, each summarised and kept as soon as it has ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from benchmarks import results
from benchmarks.results import Result
from benchmarks.summarise import summarise
from benchmarks.trial import Site, TrialPlan, run_trial

RAW: Final = "raw"
OVERHEAD: Final = 1.0
"""Seconds that starting and ending a trial's processes takes, about."""


class Observer(Protocol):
    """Told how a run goes on."""

    def started(self, trial: TrialPlan) -> None:
        """A trial begins."""
        ...

    def going_on(self, seconds: float) -> None:
        """The trial has been going on for so long."""
        ...

    def finished(self, result: Result) -> None:
        """The trial has ended and its result is kept."""
        ...


def run(trials: Sequence[TrialPlan], folder: Path, site: Site, observer: Observer) -> None:
    """Run *trials* into *folder*, which has the header of its results; a trial may lead to others on its lane.

    Interrupted, it leaves the finished trials' results, the raw results of all, and no process.
    """
    for trial in trials:
        following: TrialPlan | None = trial
        while following is not None:
            result = _run(following, folder, site, observer)
            then = following.workload.then
            workload = None if then is None else then(result)
            following = None if workload is None else dataclasses.replace(following, workload=workload)


def _run(trial: TrialPlan, folder: Path, site: Site, observer: Observer) -> Result:
    observer.started(trial)
    raw = folder / RAW / trial.name
    run_trial(trial, raw, site, observer.going_on)
    result = summarise(raw)
    results.append(folder, result)
    observer.finished(result)
    return result


def seconds(trials: Sequence[TrialPlan]) -> float:
    """Return about how long *trials* take."""
    return sum(trial.workload.duration + OVERHEAD for trial in trials)
