"""How a run looks while it goes on: bars on a terminal, a line for each finished trial elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment.plan import Experiment
from streamlanes.benchmarks.experiment.run import Observer
from streamlanes.benchmarks.trial.trial import TrialPlan

LONG_SECONDS: Final = 600


class _Bars:
    def __init__(self, progress: Progress, trials: int) -> None:
        self._progress = progress
        self._trials = trials
        self._finished = 0
        self._run = progress.add_task("trials", total=trials, count=f"0/{trials}")
        self._trial = progress.add_task("", total=None, count="")

    def begins(self, experiment: Experiment, folder: Path) -> None:
        _announce(self._progress.console, experiment, folder)

    def preparing(self, what: str) -> None:
        self._progress.console.print(what, highlight=False)

    def started(self, trials: Sequence[TrialPlan]) -> None:
        kind, number = trials[0].workload.kind, trials[0].round
        what = trials[0].contestant.name if len(trials) == 1 else f"{len(trials)} lanes in turns"
        name = f"{kind} {what}, round {number}"
        seconds = max(trial.workload.duration for trial in trials)
        self._progress.update(self._trial, description=name, total=seconds, completed=0, count=f"{seconds:.0f} s")

    def going_on(self, seconds: float) -> None:
        self._progress.update(self._trial, completed=seconds)

    def finished(self, result: Result) -> None:
        self._finished += 1
        self._progress.update(self._run, completed=self._finished, count=f"{self._finished}/{self._trials}")
        if not result.correctness.ok:
            self._progress.console.print(describe(result), highlight=False, markup=False)


class _Lines:
    def __init__(self, console: Console, trials: int) -> None:
        self._console = console
        self._trials = trials
        self._finished = 0

    def begins(self, experiment: Experiment, folder: Path) -> None:
        _announce(self._console, experiment, folder)

    def preparing(self, what: str) -> None:
        self._console.print(what, highlight=False)

    def started(self, trials: Sequence[TrialPlan]) -> None:
        pass

    def going_on(self, seconds: float) -> None:
        pass

    def finished(self, result: Result) -> None:
        self._finished += 1
        line = f"{self._finished}/{self._trials} {describe(result)}"
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def watching(console: Console, trials: int) -> Iterator[Observer]:
    """Show how the run of so many *trials* goes on until the block ends."""
    if not console.is_terminal:
        yield _Lines(console, trials)
        return
    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bars(progress, trials)


def duration(seconds: float) -> str:
    """Return *seconds* as people say it."""
    if seconds <= LONG_SECONDS:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _announce(console: Console, experiment: Experiment, folder: Path) -> None:
    announced = f"{experiment.count} trials, about {duration(experiment.seconds)}; results in {folder}"
    console.print(announced, highlight=False, markup=False, soft_wrap=True)
    if experiment.seconds > LONG_SECONDS:
        note = f"This takes {duration(experiment.seconds)}. Ctrl-C is safe: what has been measured by then is kept."
        console.print(note, style="bold", highlight=False, soft_wrap=True)


def describe(result: Result) -> str:
    """Return a line on a trial."""
    name = f"{result.kind} {result.lane}, round {result.round}: "
    return name + (f"{result.events:,} events" if result.correctness.ok else f"REFUSED: {result.correctness.faults()}")
