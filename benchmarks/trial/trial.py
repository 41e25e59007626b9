"""One trial: a fresh server, the engine's shards, and a folder of raw results. Nothing is computed here."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Concatenate, Final, NamedTuple, ParamSpec, Self

from streamlanes.benchmarks.machine import clocks
from streamlanes.benchmarks.machine.processes import Placement, ProcessError
from streamlanes.benchmarks.spec.records import Spec, StartedStream, Trial, dump_spec, write_record, write_trial
from streamlanes.benchmarks.spec.tasks import Rereading, Sessions
from streamlanes.benchmarks.spec.workload import Workload
from streamlanes.benchmarks.trial import shards
from streamlanes.benchmarks.trial.contestants import Contestant
from streamlanes.benchmarks.trial.server import Server

P = ParamSpec("P")

PATIENCE: Final = 10.0
"""Seconds that a stream's end may be late before its reader is given up; a lane that is only slow isn't cut off."""
PREPARATION: Final = 120.0
"""Seconds that the engine may take besides: to start, to wait for the server's preparations, to write its records."""
TOGETHER: Final = 1.0
"""Seconds that several shards have to be ready at the same time."""
PROGRESS_SECONDS: Final = 0.25
HIDDEN: Final = "…"
"""Mark in the place of what may be a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """What to run."""

    contestant: Contestant
    workload: Workload
    round: int
    seed: int

    @property
    def name(self) -> str:
        """The trial's folder."""
        point = "".join(f"-{value:g}{name[0]}" for name, value in self.workload.point.items())
        return f"{self.round:02}-{self.workload.kind}{point}-{self.contestant.name}"


@dataclass(frozen=True, slots=True)
class Site:
    """Where a trial is run."""

    where: Placement
    engine: Executor
    shards: int = 1


class Assignment(NamedTuple):
    """One of the trials that are run side by side."""

    plan: TrialPlan
    folder: Path
    """Folder in which the raw results are left."""
    site: Site
    """No other trial's meanwhile."""


def run_trial(plan: TrialPlan, folder: Path, site: Site, progress: Callable[[float], None]) -> None:
    """Run *plan* and leave the raw results in *folder*; see `run_together`."""
    run_together([Assignment(plan, folder, site)], progress)


def run_together(places: Sequence[Assignment], progress: Callable[[float], None]) -> None:
    """Run trials side by side; *progress* is told how many seconds they have been going on.

    Their schedules begin at the same time. A server or an engine that doesn't do its part is a result too: the fault is
    in its `trial.json`, and the others go on. All servers are gone when this returns or raises.
    """
    before, tcp_before = clocks.cpu_time(), clocks.tcp_count()
    with ExitStack() as stack:
        trials = [stack.enter_context(_Running(*place)) for place in places]
        for step in (_Running.serve, _Running.prepare):
            for trial in trials:
                trial.attempt(step)
        begin = time.time()
        for trial in trials:
            trial.attempt(_Running.begin, begin)
        while going_on := [trial for trial in trials if trial.driven is not None]:
            progress(time.time() - begin)
            for number, trial in enumerate(going_on):
                trial.attempt(_Running.wait, 0.0 if number else PROGRESS_SECONDS)
        for trial in trials:
            trial.attempt(_Running.end)
    after, tcp_after = clocks.cpu_time(), clocks.tcp_count()
    steal = None if before is None or after is None else after.steal_since(before)
    tcp = None if tcp_before is None or tcp_after is None else tcp_after.since(tcp_before)
    for trial in trials:
        write_trial(trial.folder, trial.told(steal, tcp))


class _Running:
    """A trial that is being run, step by step. A context manager, behind which its processes are gone."""

    def __init__(self, plan: TrialPlan, folder: Path, site: Site) -> None:
        self.folder = folder
        self.driven: shards.Drive | None = None
        self._plan = plan
        self._site = site
        self._error: str | None = None
        self._namespace = clocks.UNKNOWN
        self._server: Server | None = None
        self._open = ExitStack()

    def attempt(self, step: Callable[Concatenate[_Running, P], None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Take *step*, if all went well up to now; what goes wrong is the trial's result."""
        if self._error is not None:
            return
        try:
            step(self, *args, **kwargs)
        except (ProcessError, shards.ShardError) as fault:
            self._error = str(fault)
            self.driven = None

    def serve(self) -> None:
        """Run the server, behind what network there is."""
        workload = self._plan.workload
        self.folder.mkdir(parents=True)
        server = self._open.enter_context(self._plan.contestant.serving(workload, self.folder, self._site.where))
        self._server = self._open.enter_context(_between(workload, server, self.folder, self._site))
        self._namespace = clocks.time_namespace(server.pid)

    def prepare(self) -> None:
        """Have the engine ready for the lane."""
        shards.prepare(self._site.engine, self._plan.contestant.reader, self._site.shards)

    def begin(self, at: float) -> None:
        """Start what has to be started, and have the engine do its part; the schedule begins *at* that Unix time."""
        specs = _specs(self._plan, self._ready, self._site.shards, at)
        shown = dataclasses.replace(specs[0], headers=dict.fromkeys(self._ready.headers, HIDDEN))
        (self.folder / "spec.json").write_bytes(dump_spec(shown))
        limit = self._plan.workload.duration + PATIENCE + PREPARATION
        orders = [dump_spec(spec) for spec in specs]
        self.driven = self._open.enter_context(shards.Drive(self._site.engine, orders, limit))

    def wait(self, seconds: float) -> None:
        """Wait for the engine's records for up to so long, and write them once they are there."""
        records = None if self.driven is None else self.driven.wait(seconds)
        if records is not None:
            self.driven = None
            for shard, record in enumerate(records):
                write_record(self.folder, shard, record)

    def end(self) -> None:
        """End the processes. Raises ProcessError for one that hadn't lived so long."""
        self._open.close()

    def told(self, steal: float | None, tcp: clocks.TCPCount | None) -> Trial:
        """Return what there is to tell of it."""
        workload = self._plan.workload
        return Trial(
            kind=workload.kind,
            lane=self._plan.contestant.name,
            of_lane=self._plan.contestant.lane,
            reader=self._plan.contestant.reader,
            role=self._plan.contestant.role,
            round=self._plan.round,
            seed=self._plan.seed,
            point=workload.point,
            deadline=workload.deadline,
            warm_up=workload.warm_up,
            turns=workload.turns,
            expected=workload.expected,
            boot_id=clocks.boot_id(),
            time_namespace=self._namespace,
            journaled=self._server is None or self._server.journaled,
            steal=steal,
            tcp=tcp,
            error=self._error,
        )

    @property
    def _ready(self) -> Server:
        if self._server is None:
            raise RuntimeError("the trial has no server yet")
        return self._server

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ProcessError):  # of a trial that has failed already
            self._open.close()


@contextmanager
def _between(workload: Workload, server: Server, folder: Path, site: Site) -> Iterator[Server]:
    """Give the server as the engine sees it, behind what network there is."""
    if workload.network is None:
        yield server
        return
    with workload.network(server.url, server.pid, folder=folder, cpu=site.where.engine) as url:
        yield dataclasses.replace(server, url=url)


def _specs(plan: TrialPlan, server: Server, count: int, begin: float) -> list[Spec]:
    """Start what has to be started, and return what each shard is to do. The schedule begins at Unix time *begin*."""
    workload = plan.workload
    if isinstance(workload.task, Rereading):
        count = 1  # one connection at a time
    started: StartedStream | None = None
    begins_at: float | None = None
    if workload.stream is not None:
        begins_at = begin + workload.opens
        started = plan.contestant.start(server, _in_step(workload, begin))
        late = time.time() - begin - (workload.opens - workload.warm_up)
        if workload.turns is not None and late > 0:
            raise ProcessError(f"its stream was started {late:.2f} s after its first turn: the machine is too busy")
    elif count > 1 and isinstance(workload.task, Sessions):
        begins_at = time.time() + TOGETHER
    spec = Spec(
        url=server.url,
        lane=plan.contestant.lane,
        reader=plan.contestant.reader,
        server_pid=server.pid,
        deadline=workload.duration + PATIENCE,
        task=workload.task,
        started=started,
        begins_at=begins_at,
        shards=count,
        headers=server.headers,
    )
    return [dataclasses.replace(spec, shard=shard) for shard in range(count)]


def _in_step(workload: Workload, begin: float) -> Workload:
    """Return the workload whose turns count from Unix time *begin*, however long it takes to start its stream."""
    if workload.turns is None or workload.stream is None:
        return workload
    stream = dataclasses.replace(workload.stream, params={**workload.stream.params, "begin_at": begin})
    return dataclasses.replace(workload, stream=stream)
