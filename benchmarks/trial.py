"""One trial: a fresh server, a fresh engine, and a folder of raw results. Nothing is computed here."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import clocks
from benchmarks.expected import Expected
from benchmarks.plan import PREFILLED, Session
from benchmarks.processes import Placement, ProcessError, child
from benchmarks.records import Kind, Spec, Trial, dump_spec, write_trial
from benchmarks.server import serving

PATIENCE: Final = 10.0
"""Seconds that a stream's end may be late before its reader is given up; a lane that is only slow isn't cut off."""
PREPARATION: Final = 120.0
"""Seconds that the engine may take besides: to start, to wait for the server's preparations, to write its records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """What to run."""

    kind: Kind
    lane: str
    wire: str
    round: int
    seed: int
    sessions: tuple[Session, ...]
    """In saturated trials the shared stream alone; in others those of the clients."""
    expected: tuple[Expected, ...]
    """Of each session."""
    warm_up: Session | None = None
    deadline: float = 0.0
    seconds: float = 0.0
    settle: float = 0.0
    """Seconds from the start of the clock to the window's."""

    @property
    def name(self) -> str:
        """The trial's folder."""
        return f"{self.round:02}-{self.kind}-{self.lane}"

    def duration(self) -> float:
        """Return the seconds from the start of the clock to when the last event is due, at least."""
        if self.kind == "saturated":
            return self.seconds
        ends = (
            session.schedule_ns + expected.duration_ns
            for session, expected in zip(self.sessions, self.expected, strict=True)
        )
        return max(ends, default=0) / 1e9

    def spec(self, folder: Path, url: str, server_pid: int) -> Spec:
        """Return what the engine is to do."""
        spec = Spec(
            folder=folder,
            url=url,
            lane=self.lane,
            wire=self.wire,
            server_pid=server_pid,
            deadline=self.duration() + PATIENCE,
        )
        if self.kind != "saturated":
            return dataclasses.replace(spec, sessions=self.sessions, warm_up=self.warm_up, settle=self.settle)
        events = self.expected[0].events
        return dataclasses.replace(spec, stream=PREFILLED, stream_events=events, seconds=self.seconds)


def run_trial(plan: TrialPlan, folder: Path, where: Placement, progress: Callable[[int], None]) -> None:
    """Run *plan* and leave the raw results in *folder*; *progress* is told how many events have come.

    A server or an engine that doesn't do its part is a result too: the fault is in `trial.json`. Both are gone when
    this returns or raises.
    """
    folder.mkdir(parents=True)
    before = clocks.cpu_time()
    error: str | None = None
    namespace = clocks.UNKNOWN
    try:
        # The engine starts first and waits for its spec, so that both load their modules at the same time.
        command = [sys.executable, "-P", "-m", "benchmarks.engine"]
        with (
            child("engine", command, folder=folder, cpu=where.engine) as engine,
            serving(
                folder,
                cpu=where.server,
                pacer_cpu=where.engine,
                prefilled=plan.sessions[0] if plan.kind == "saturated" else None,
            ) as server,
        ):
            namespace = clocks.time_namespace(server.pid)
            spec = dump_spec(plan.spec(folder, server.url, server.pid))
            (folder / "spec.json").write_bytes(spec)
            engine.send(spec)
            for line in engine.lines(plan.duration() + PATIENCE + PREPARATION):
                progress(json.loads(line)["events"])
            engine.finish()
    except ProcessError as fault:
        error = str(fault)
    after = clocks.cpu_time()
    trial = Trial(
        kind=plan.kind,
        lane=plan.lane,
        wire=plan.wire,
        round=plan.round,
        seed=plan.seed,
        deadline=plan.deadline,
        expected=plan.expected,
        boot_id=clocks.boot_id(),
        time_namespace=namespace,
        steal=None if before is None or after is None else after.steal_since(before),
        error=error,
    )
    write_trial(folder, trial)
