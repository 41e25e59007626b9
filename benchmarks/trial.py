"""One trial: a fresh server, the engine's shards, and a folder of raw results. Nothing is computed here."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import clocks, shards
from benchmarks.processes import Placement, ProcessError
from benchmarks.records import Spec, Started, Trial, dump_spec, write_record, write_trial
from benchmarks.server import Server
from benchmarks.subjects import Contestant
from benchmarks.tasks import Again, Sessions
from benchmarks.workload import Workload

PATIENCE: Final = 10.0
"""Seconds that a stream's end may be late before its reader is given up; a lane that is only slow isn't cut off."""
PREPARATION: Final = 120.0
"""Seconds that the engine may take besides: to start, to wait for the server's preparations, to write its records."""
TOGETHER: Final = 1.0
"""Seconds that several shards have to be ready at the same time."""
HIDDEN: Final = "…"
"""In the place of what may be a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """What to run."""

    subject: Contestant
    workload: Workload
    round: int
    seed: int

    @property
    def name(self) -> str:
        """The trial's folder."""
        point = "".join(f"-{value:g}{name[0]}" for name, value in self.workload.point.items())
        return f"{self.round:02}-{self.workload.kind}{point}-{self.subject.name}"


@dataclass(frozen=True, slots=True)
class Site:
    """Where trials are run."""

    where: Placement
    engine: Executor
    shards: int = 1


def run_trial(plan: TrialPlan, folder: Path, site: Site, progress: Callable[[float], None]) -> None:
    """Run *plan* and leave the raw results in *folder*; *progress* is told how many seconds it has been going on.

    A server or an engine that doesn't do its part is a result too: the fault is in `trial.json`. The server is gone
    when this returns or raises.
    """
    folder.mkdir(parents=True)
    workload = plan.workload
    before, tcp_before = clocks.cpu_time(), clocks.tcp_count()
    error: str | None = None
    namespace = clocks.UNKNOWN
    journaled = True
    try:
        shards.prepare(site.engine, plan.subject.reader, site.shards)
        with (
            plan.subject.serving(workload, folder, site.where) as server,
            _between(workload, server, folder, site) as seen,
        ):
            namespace = clocks.time_namespace(server.pid)
            journaled = server.journaled
            specs = _specs(plan, seen, site.shards)
            shown = dataclasses.replace(specs[0], headers=dict.fromkeys(server.headers, HIDDEN))
            (folder / "spec.json").write_bytes(dump_spec(shown))
            records = shards.drive(
                site.engine, [dump_spec(spec) for spec in specs], workload.duration + PATIENCE + PREPARATION, progress
            )
        for shard, record in enumerate(records):
            write_record(folder, shard, record)
    except (ProcessError, shards.ShardError) as fault:
        error = str(fault)
    after, tcp_after = clocks.cpu_time(), clocks.tcp_count()
    trial = Trial(
        kind=workload.kind,
        lane=plan.subject.name,
        round=plan.round,
        seed=plan.seed,
        point=workload.point,
        deadline=workload.deadline,
        warm_up=workload.warm_up,
        expected=workload.expected,
        boot_id=clocks.boot_id(),
        time_namespace=namespace,
        journaled=journaled,
        steal=None if before is None or after is None else after.steal_since(before),
        tcp=None if tcp_before is None or tcp_after is None else tcp_after.since(tcp_before),
        error=error,
    )
    write_trial(folder, trial)


@contextmanager
def _between(workload: Workload, server: Server, folder: Path, site: Site) -> Iterator[Server]:
    """Give the server as the engine sees it, behind what network there is."""
    if workload.network is None:
        yield server
        return
    with workload.network(server.url, server.pid, folder=folder, cpu=site.where.engine) as url:
        yield dataclasses.replace(server, url=url)


def _specs(plan: TrialPlan, server: Server, count: int) -> list[Spec]:
    """Start what has to be started, and return what each shard is to do."""
    workload = plan.workload
    if isinstance(workload.task, Again):
        count = 1  # one connection at a time
    started: Started | None = None
    begins_at: float | None = None
    if workload.stream is not None:
        begins_at = time.time() + workload.opens
        started = plan.subject.start(server, workload)
    elif count > 1 and isinstance(workload.task, Sessions):
        begins_at = time.time() + TOGETHER
    spec = Spec(
        url=server.url,
        lane=plan.subject.lane,
        reader=plan.subject.reader,
        server_pid=server.pid,
        deadline=workload.duration + PATIENCE,
        task=workload.task,
        started=started,
        begins_at=begins_at,
        shards=count,
        headers=server.headers,
    )
    return [dataclasses.replace(spec, shard=shard) for shard in range(count)]
