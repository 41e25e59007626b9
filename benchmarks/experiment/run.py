"""A run: the trials of a schedule, each summarised and kept as soon as it has ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment import results
from streamlanes.benchmarks.experiment.summarise import summarise
from streamlanes.benchmarks.trial.trial import Place, Site, TrialPlan, run_together

RAW: Final = "raw"
OVERHEAD: Final = 1.0
"""Seconds that starting and ending a trial's processes takes, about."""


class Observer(Protocol):
    """Told how a run goes on."""

    def started(self, trials: Sequence[TrialPlan]) -> None:
        """Trials begin, side by side if there are several."""
        ...

    def going_on(self, seconds: float) -> None:
        """They have been going on for so long."""
        ...

    def finished(self, result: Result) -> None:
        """The trial has ended and its result is kept."""
        ...


def run(trials: Sequence[Sequence[TrialPlan]], folder: Path, sites: Sequence[Site], observer: Observer) -> None:
    """Run *trials* into *folder*, which has the header of its results; a trial may lead to others on its lane.

    Each entry's trials are run side by side, each at one of the *sites*, of which there are as many as that takes (see
    `width`). Interrupted, it leaves the finished trials' results, the raw results of all, and no process.
    """
    for together in trials:
        for trial, result in zip(together, _run(together, folder, sites, observer), strict=True):
            _follow(trial, result, folder, sites, observer)


def width(trials: Sequence[Sequence[TrialPlan]]) -> int:
    """Return how many of *trials* are run side by side, at the most."""
    return max(map(len, trials), default=1)


def seconds(trials: Sequence[Sequence[TrialPlan]]) -> float:
    """Return about how long *trials* take."""
    return sum(max(trial.workload.duration for trial in together) + OVERHEAD * len(together) for together in trials)


def _follow(trial: TrialPlan, result: Result, folder: Path, sites: Sequence[Site], observer: Observer) -> None:
    """Run what *trial* leads to."""
    while trial.workload.then is not None:
        workload = trial.workload.then(result)
        if workload is None:
            return
        trial = dataclasses.replace(trial, workload=workload)
        (result,) = _run([trial], folder, sites, observer)


def _run(trials: Sequence[TrialPlan], folder: Path, sites: Sequence[Site], observer: Observer) -> list[Result]:
    observer.started(trials)
    places = [Place(trial, folder / RAW / trial.name, site) for trial, site in zip(trials, sites, strict=False)]
    run_together(places, observer.going_on)
    found = [summarise(place.folder) for place in places]
    for result in found:
        results.append(folder, result)
        observer.finished(result)
    return found
