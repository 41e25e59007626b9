"""The plan of an experiment: what a user asks for goes in, and all that will be run comes out, checked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from streamlanes.benchmarks import kinds
from streamlanes.benchmarks.experiment import scenario as scenarios
from streamlanes.benchmarks.experiment.errors import ExperimentError
from streamlanes.benchmarks.experiment.lineup import choose, contestants_of, own_wires
from streamlanes.benchmarks.experiment.results import TraceInfo
from streamlanes.benchmarks.experiment.scenario import DEFAULT, Scenario, ScenarioError, Setting
from streamlanes.benchmarks.experiment.schedule import schedule
from streamlanes.benchmarks.kinds import Servers, is_traced
from streamlanes.benchmarks.spec.trace import Trace, TraceError, read_trace
from streamlanes.benchmarks.trial.contestants import Contestant
from streamlanes.benchmarks.trial.target import TargetError, TargetInfo, at, probe
from streamlanes.benchmarks.trial.trial import TrialPlan
from streamlanes.producers.tokens import MAX_TEXT
from streamlanes.producers.wire import Wire

OVERHEAD: Final = 1.0
"""Seconds that starting and ending a trial's processes takes, about."""
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What is run, whole: the same seed and options plan the same one."""

    scenario: Scenario
    """Scenario as it is run, with the lanes that take part."""
    contestants: tuple[Contestant, ...]
    trials: tuple[tuple[TrialPlan, ...], ...]
    """Trials in their order; those of an entry are run side by side."""
    left_out: Mapping[str, str]
    """Lanes that were asked for by `all` and can't be measured, and why."""
    text: str | None
    """Text that is streamed, if it isn't the scenario's."""
    trace: TraceInfo | None
    target: TargetInfo | None
    """None: each trial has a server of its own."""
    shards: int
    """Processes of the load engine, for each trial that is run at a time."""
    cluster: str | None
    """URL of a Dask scheduler; None: the shards run here."""

    @property
    def count(self) -> int:
        """How many trials are planned; a search may take more."""
        return sum(map(len, self.trials))

    @property
    def width(self) -> int:
        """How many trials are run side by side, at the most."""
        return max(map(len, self.trials), default=1)

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return seconds(self.trials)

    @property
    def told_scenario(self) -> Scenario:
        """The scenario as results have it: a user's text, which may be long or private, isn't in it."""
        if self.text is None:
            return self.scenario
        parts = {kind: {**part, **dict.fromkeys(_settings_of_text(kind))} for kind, part in self.scenario.parts.items()}
        return replace(self.scenario, parts=parts)

    @property
    def text_sha256(self) -> str | None:
        """SHA-256 of the text, in hexadecimal."""
        return None if self.text is None else hashlib.sha256(self.text.encode()).hexdigest()


def seconds(trials: Sequence[Sequence[TrialPlan]]) -> float:
    """Return about how long *trials* take."""
    longest = (max(one.workload.duration for one in together) for together in trials)
    return sum(longest) + OVERHEAD * sum(map(len, trials))


def plan(
    scenario: str = DEFAULT,
    *,
    lanes: Sequence[str] | Literal["all"] | None = None,
    rounds: int | None = None,
    settings: Mapping[str, Setting] = NOTHING,
    seed: int | None = None,
    text: str | None = None,
    trace: Path | None = None,
    speed: float = 1.0,
    limit: int | None = None,
    clients: bool = False,
    external: str | None = None,
    target: str | None = None,
    headers: Mapping[str, str] = NOTHING,
    shards: int = 1,
    cluster: str | None = None,
) -> Experiment:
    """Plan an experiment. Nothing is started or written, but a *target* is asked which lanes it has.

    *scenario* is a built-in one's name or a TOML file; the other arguments take the place of what it says:

    - *lanes*: those that are compared; `"all"` for every one. The first of them is entered a second time.
    - *rounds*: trials of each lane; ten and more for verdicts. *seed*: of everything random.
    - *settings*: any setting by its dotted name, `{"load.clients": 50}`.
    - *text*: is streamed instead of the sample. *trace*: a CSV file with `TIMESTAMP,ContextTokens,GeneratedTokens`,
      whose sessions take the place of the scenario's, *limit* of them, their times divided by *speed*.
    - *clients*: each lane is also read by the Python clients of its wire.
    - *external*: a TOML file with lanes of other servers, or `nchan`.
    - *target*: the URL of a server that runs already, which is sent *headers* with every request.
    - *shards*: processes of the load engine; *cluster*: the Dask scheduler they run on.

    Raises ExperimentError, which names the parameter at fault.
    """
    found = _scenario(scenario, rounds=rounds, settings=settings, seed=seed, text=text)
    info, wires = (None, None) if target is None else _target(target, headers, found, external)
    lineup = choose(found, lanes, wires, external, with_clients=clients)
    found = replace(found, lanes=lineup.lanes)
    recorded = None if trace is None else _trace(trace, speed, limit, found)
    if info is None:
        nobody = next(iter(contestants_of(own_wires()).values())).alone()
        contestants: Sequence[Contestant] = (*lineup.contestants, nobody)
    else:
        contestants = at(info.url, headers, lineup.contestants)
    return Experiment(
        scenario=found,
        contestants=tuple(contestants),
        trials=tuple(schedule(found, contestants, recorded, side_by_side=info is None and cluster is None)),
        left_out=lineup.left_out if lanes == "all" else {},
        text=text,
        trace=None if recorded is None or trace is None else _told(trace, recorded, speed),
        target=info,
        shards=shards,
        cluster=cluster,
    )


def _scenario(
    name: str, *, rounds: int | None, settings: Mapping[str, Setting], seed: int | None, text: str | None
) -> Scenario:
    """Load the scenario with what the other arguments say in place of what it has."""
    overrides = dict(settings)
    by_argument: dict[str, str] = {}
    try:
        path = scenarios.find(name)
        for kind in scenarios.load(path).parts:
            if rounds is not None:  # is about all kinds of trials that the scenario has
                by_argument[f"{kind}.rounds"] = "rounds"
                overrides.setdefault(f"{kind}.rounds", rounds)
        if text is not None:
            for key, value in _text_settings(text, scenarios.load(path)).items():
                by_argument[key] = "text"
                overrides[key] = value
        if seed is not None:
            by_argument["seed"] = "seed"
            overrides["seed"] = seed
        return scenarios.load(path, overrides)
    except ScenarioError as error:
        if error.key in by_argument:
            raise ExperimentError(by_argument[error.key], error.fault) from error
        raise ExperimentError("settings" if error.key in settings else "scenario", str(error)) from error


def _text_settings(text: str, scenario: Scenario) -> dict[str, Setting]:
    """Return the settings by which *text* is streamed, by their dotted names."""
    if not text:
        raise ExperimentError("text", "it is empty; there is nothing to stream")
    if len(text) > MAX_TEXT:
        raise ExperimentError("text", f"it has {len(text):,} characters; a stream takes {MAX_TEXT:,} at most")
    found: dict[str, Setting] = {}
    for kind in scenario.parts:
        of_text = kinds.discover()[kind].text
        if of_text is not None:
            found |= {f"{kind}.{key}": value for key, value in of_text(text).items()}
    if not found:
        able = ", ".join(f"[{name}]" for name, kind in kinds.discover().items() if kind.text is not None)
        raise ExperimentError("text", f"{scenario.name} has no {able} that would stream a text")
    return found


def _settings_of_text(kind: str) -> Sequence[str]:
    of_text = kinds.discover()[kind].text
    return () if of_text is None else tuple(of_text(""))


def _trace(path: Path, speed: float, limit: int | None, scenario: Scenario) -> Trace:
    if not any(is_traced(scenario.part(kind)) for kind in scenario.parts):
        raise ExperimentError("trace", f"{scenario.name} has no table of which a trace could take the place, as [load]")
    try:
        return read_trace(path, speed=speed, limit=limit)
    except TraceError as error:
        raise ExperimentError("trace", str(error)) from error


def _told(path: Path, trace: Trace, speed: float) -> TraceInfo:
    return TraceInfo(
        file=trace.file,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        speed=speed,
        sessions=len(trace.requests),
        skipped=trace.skipped,
        out_of_order=trace.out_of_order,
    )


def _target(
    url: str, headers: Mapping[str, str], scenario: Scenario, external: str | None
) -> tuple[TargetInfo, Mapping[str, Wire]]:
    """Return what the server at *url* tells of itself, which must do for the kinds of trials that there are."""
    if external is not None:
        raise ExperimentError("external", "a target's own lanes are compared: leave one of external and target out")
    known = kinds.discover()
    missing = [f"[{kind}]" for kind in scenario.parts if known[kind].servers is Servers.OURS]
    if missing:
        able = [
            name
            for name in scenarios.names()
            if all(known[kind].servers is Servers.ANY for kind in scenarios.load(scenarios.find(name)).parts)
        ]
        raise ExperimentError(
            "target",
            f"{', '.join(missing)} can't be run against a target: it takes a server process of our "
            f"own, with its options, its clocks or its memory; scenarios that can: {', '.join(able)}",
        )
    try:
        return probe(url.rstrip("/"), headers)
    except TargetError as error:
        raise ExperimentError("target", str(error)) from error
