"""How a run looks while it goes on: bars on a terminal, a line for each finished trial elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.results import Result
from benchmarks.run import Observer
from benchmarks.trial import TrialPlan


class _Bars:
    def __init__(self, progress: Progress, trials: int) -> None:
        self._progress = progress
        self._trials = trials
        self._finished = 0
        self._run = progress.add_task("trials", total=trials, count=f"0/{trials}")
        self._trial = progress.add_task("", total=None, count="")
        self._events: int | None = None

    def started(self, trial: TrialPlan) -> None:
        # A saturated trial reads the same events over and over, until its time is up.
        self._events = sum(expected.events for expected in trial.expected) if trial.kind != "saturated" else None
        name = f"{trial.kind} {trial.lane}, round {trial.round}"
        self._progress.update(self._trial, description=name, total=self._events, completed=0, count="")

    def received(self, events: int) -> None:
        count = f"{events:,}" if self._events is None else f"{events:,}/{self._events:,}"
        self._progress.update(self._trial, completed=events, count=count)

    def finished(self, result: Result) -> None:
        self._finished += 1
        self._progress.update(self._run, completed=self._finished, count=f"{self._finished}/{self._trials}")
        if not result.verdict.ok:
            self._progress.console.print(describe(result), highlight=False, markup=False)


class _Lines:
    def __init__(self, console: Console, trials: int) -> None:
        self._console = console
        self._trials = trials
        self._finished = 0

    def started(self, trial: TrialPlan) -> None:
        pass

    def received(self, events: int) -> None:
        pass

    def finished(self, result: Result) -> None:
        self._finished += 1
        line = f"{self._finished}/{self._trials} {describe(result)}"
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def watching(console: Console, trials: Sequence[TrialPlan]) -> Iterator[Observer]:
    """Show how the run of *trials* goes on until the block ends."""
    if not console.is_terminal:
        yield _Lines(console, len(trials))
        return
    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bars(progress, len(trials))


def describe(result: Result) -> str:
    """Return a line on a trial."""
    name = f"{result.kind} {result.lane}, round {result.round}: "
    return name + (f"{result.events:,} events" if result.verdict.ok else f"REFUSED: {result.verdict.faults()}")
