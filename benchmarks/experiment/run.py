"""Running an experiment: a plan goes in, a folder of results comes out, a line for each trial as it ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from streamlanes.benchmarks import kinds
from streamlanes.benchmarks.analysis import recorded
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment import results
from streamlanes.benchmarks.experiment.ceiling import of_contestants
from streamlanes.benchmarks.experiment.errors import ExperimentError
from streamlanes.benchmarks.experiment.plan import Experiment
from streamlanes.benchmarks.experiment.results import Ceiling, Header, Run
from streamlanes.benchmarks.experiment.summarise import summarise
from streamlanes.benchmarks.machine.environment import environment
from streamlanes.benchmarks.machine.processes import Placement, ProcessError, placement
from streamlanes.benchmarks.machine.resources import HarnessError, check_connections, check_disk, lacking
from streamlanes.benchmarks.trial.shards import ShardError, cluster, processes
from streamlanes.benchmarks.trial.target import environment_of
from streamlanes.benchmarks.trial.trial import Assignment, Site, TrialPlan, run_together

RAW: Final = "raw"


class Observer(Protocol):
    """Told how a run goes on."""

    def begins(self, experiment: Experiment, folder: Path) -> None:
        """The first trial is next; results go into *folder*."""
        ...

    def preparing(self, what: str) -> None:
        """Something else than a trial is measured, before all of them."""
        ...

    def started(self, trials: Sequence[TrialPlan]) -> None:
        """Trials begin, side by side if there are several."""
        ...

    def going_on(self, seconds: float) -> None:
        """They have been going on for so long."""
        ...

    def finished(self, result: Result) -> None:
        """The trial has ended and its result is kept."""
        ...


class Silent:
    """An observer that shows nothing."""

    def begins(self, experiment: Experiment, folder: Path) -> None:
        pass

    def preparing(self, what: str) -> None:
        pass

    def started(self, trials: Sequence[TrialPlan]) -> None:
        pass

    def going_on(self, seconds: float) -> None:
        pass

    def finished(self, result: Result) -> None:
        pass


def run(experiment: Experiment, folder: Path, observer: Observer | None = None, *, command: str = "") -> Run:
    """Run *experiment* into *folder*, which is made, and return what came of it.

    *observer* is told how it goes on. *command* is kept with the results, for people who repeat it. Interrupted, it
    leaves the finished trials' results, the raw results of all, and no process. Raises ExperimentError if the folder
    can't be used, or the load engine can't be started or reached; HarnessError if the machine has too little of
    something to go on, which leaves what an interruption leaves.
    """
    watching = Silent() if observer is None else observer
    where = placement()
    check_connections(max(trial.workload.connections for together in experiment.trials for trial in together))
    make_folder(folder)
    try:
        results.create(folder, _header(experiment, where, watching, command))
        watching.begins(experiment, folder)
        with _engines(experiment, where) as engines:
            run_trials(experiment.trials, folder, [Site(where, one, experiment.shards) for one in engines], watching)
    except ShardError as error:
        raise ExperimentError("shards" if experiment.cluster is None else "cluster", str(error)) from error
    except OSError as error:
        raise HarnessError(lacking(error) or str(error)) from error
    return results.read(folder)


def make_folder(folder: Path) -> None:
    """Make a run's folder. Raises ExperimentError if it can't be made, or has something in it."""
    try:
        str(folder).encode()
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ExperimentError("folder", f"{folder} holds something already, perhaps a run; name another folder")
        (folder / RAW).mkdir()
    except UnicodeEncodeError as error:
        raise ExperimentError("folder", "the folder's name isn't UTF-8; name another") from error
    except OSError as error:
        raise ExperimentError("folder", f"can't write to {folder}: {error.strerror}") from error


def _header(experiment: Experiment, where: Placement, observer: Observer, command: str) -> Header:
    machine, target = environment(where), experiment.target
    return Header(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        scenario=experiment.told_scenario,
        text_sha256=experiment.text_sha256,
        trace=experiment.trace,
        trials=experiment.count,
        environment=machine if target is None else environment_of(machine, target),
        target=target,
        ceilings=_ceilings(experiment, where, observer),
        left_out=experiment.left_out,
    )


def _ceilings(experiment: Experiment, where: Placement, observer: Observer) -> dict[str, Ceiling]:
    """Measure what the engine could take, where a kind of trial shows the engine's limits too."""
    for kind in experiment.scenario.parts:
        engine_load = kinds.discover()[kind].engine_load
        if engine_load is not None:
            observer.preparing("measuring the load engine's own ceiling")
            try:
                return of_contestants(experiment.contestants, where, engine_load(experiment.scenario.part(kind)))
            except (ProcessError, ShardError, ValueError) as error:
                raise ExperimentError("shards", f"the load engine's ceiling can't be measured: {error}") from error
    return {}


@contextmanager
def _engines(experiment: Experiment, where: Placement) -> Iterator[list[Executor]]:
    """Give an executor for each of the trials that are run side by side."""
    with ExitStack() as stack:
        if experiment.cluster is not None:
            yield [stack.enter_context(cluster(experiment.cluster))] * experiment.width
        else:
            cpus = None if where.engine is None else [where.engine]
            yield [stack.enter_context(processes(experiment.shards, cpus)) for _ in range(experiment.width)]


def run_trials(trials: Sequence[Sequence[TrialPlan]], folder: Path, sites: Sequence[Site], observer: Observer) -> None:
    """Run *trials* into *folder*, which has the header of its results; a trial may lead to others on its lane.

    Each entry's trials are run side by side, each at one of the *sites*, of which there are as many as that takes.
    """
    for together in trials:
        for trial, result in zip(together, _run(together, folder, sites, observer), strict=True):
            _follow(trial, result, folder, sites, observer)


def _follow(trial: TrialPlan, result: Result, folder: Path, sites: Sequence[Site], observer: Observer) -> None:
    """Run what *trial* leads to."""
    while trial.workload.then is not None:
        workload = trial.workload.then(result)
        if workload is None:
            return
        trial = dataclasses.replace(trial, workload=workload)
        (result,) = _run([trial], folder, sites, observer)


def _check_journals(folders: Sequence[Path]) -> None:
    """Raise HarnessError if a trial's journal couldn't be written: the lane isn't at fault for its stream's end."""
    for folder in folders:
        check_disk(folder)
        with suppress(FileNotFoundError):  # it came to nothing, for another reason
            if recorded.read(folder).journal_lacks:
                raise HarnessError(f"{folder}: the journal couldn't be written; is the disk full, or ulimit -f set?")


def _run(trials: Sequence[TrialPlan], folder: Path, sites: Sequence[Site], observer: Observer) -> list[Result]:
    observer.started(trials)
    places = [Assignment(trial, folder / RAW / trial.name, site) for trial, site in zip(trials, sites, strict=False)]
    run_together(places, observer.going_on)
    found = [summarise(place.folder) for place in places]
    if not all(result.correctness.ok for result in found):
        _check_journals([place.folder for place in places])
    for result in found:
        results.append(folder, result)
        observer.finished(result)
    return found
