"""Which lanes `streamlanes compare` measures, and why not others."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace

import click

from streamlanes.benchmarks import kinds
from streamlanes.benchmarks.engine import clients as engine_clients
from streamlanes.benchmarks.engine import wires as engine_wires
from streamlanes.benchmarks.experiment.scenario import Scenario
from streamlanes.benchmarks.external import description as external_lanes
from streamlanes.benchmarks.external.contestant import External
from streamlanes.benchmarks.external.description import ExternalError
from streamlanes.benchmarks.spec.contestant import FLOOR
from streamlanes.benchmarks.spec.records import CLIENT
from streamlanes.benchmarks.spec.tasks import Sessions
from streamlanes.benchmarks.trial.contestants import Contestant, Floor, Lane, entries
from streamlanes.benchmarks.trial.target import at
from streamlanes.benchmarks.trial.trial import TrialPlan
from streamlanes.command.target import Aim
from streamlanes.producers.wire import Wire
from streamlanes.transports import discover
from streamlanes.transports.baselines import discover as discover_baselines


def own() -> dict[str, Wire]:
    """Return the wires of our server's lanes."""
    return {name: transport.wire for name, transport in {**discover(), **discover_baselines()}.items()}


def contest(
    to_run: Scenario, lanes: str | None, external: str | None, aimed: Aim | None, *, clients: bool
) -> tuple[Scenario, list[Contestant], dict[str, str]]:
    """Return the scenario with the lanes that are compared, their rows, and which lanes are left out, and why."""
    wires = own() if aimed is None else aimed.wires
    baselines = discover_baselines()
    left_out = unmeasurable(wires, sending="rtt" in to_run.parts)
    rows = others(external, wires) if aimed is None else {}
    names = to_run.lanes if lanes is None else chosen(lanes, wires, left_out)
    names = with_external(names, rows)
    if clients or any(CLIENT in name for name in names):
        read_by = client_rows(wires, baselines)
        rows |= read_by
        if clients:
            names = with_clients(names, read_by)
    check(names, wires, left_out, rows)
    to_run = replace(to_run, lanes=names)
    subjects = entries(names, wires, baselines, rows, twice=to_run.rounds() > 1)
    return to_run, subjects if aimed is None else at(aimed.info.url, aimed.headers, subjects), left_out


def chosen(text: str, wires: Mapping[str, Wire], left_out: Mapping[str, str]) -> tuple[str, ...]:
    """Return the lanes that *text* names; `all` is all but those *left_out*. Raises BadParameter if there are none."""
    if text == "all":
        return tuple(sorted(wires.keys() - left_out))
    names = tuple(name for name in re.split(r"[,\s]+", text) if name)
    if not names:
        raise click.BadParameter("name one lane or more, such as sse,ws, or all", param_hint="'--lanes'")
    return names


def ways_up(wires: Mapping[str, Wire]) -> dict[str, str]:
    """Return how the load engine sends messages, for each lane to which it can."""
    readers = engine_wires.discover()
    ways = {lane: readers[wire].way_up for lane, wire in wires.items() if wire in readers}
    return {lane: way for lane, way in ways.items() if way is not None}


def unmeasurable(wires: Mapping[str, Wire], *, sending: bool) -> dict[str, str]:
    """Return the lanes that the load engine can't read or, when *sending*, can't send to, and why."""
    readable = engine_wires.discover()
    sendable = ways_up(wires)
    reasons = {}
    for lane, wire in sorted(wires.items()):
        if wire not in readable:
            reasons[lane] = f"wire {wire!r}, which the load engine can't read"
        elif sending and lane not in sendable:
            reasons[lane] = f"wire {wire!r}, for which the load engine has no way up"
    return reasons


def others(external: str | None, wires: Mapping[str, Wire]) -> dict[str, Contestant]:
    """Return the rows that aren't lanes of this project's server: the floor, and those of the file *external*.

    Raises BadParameter if the file can't be used.
    """
    if external is None:
        return {FLOOR: Floor()}
    try:
        found = external_lanes.load(external_lanes.find(external))
    except ExternalError as error:
        raise click.BadParameter(str(error), param_hint="'--external'") from error
    for name in found.keys() & {*wires, FLOOR}:
        raise click.BadParameter(
            f"{name} is a lane of this project's own; give it another name", param_hint="'--external'"
        )
    return {FLOOR: Floor()} | {name: External(lane) for name, lane in found.items()}


def client_rows(wires: Mapping[str, Wire], baselines: Container[str]) -> dict[str, Contestant]:
    """Return the rows of lanes that a Python client reads, by `LANE+CLIENT`."""
    return {
        f"{lane}{CLIENT}{reader.library}": Lane(
            name=f"{lane}{CLIENT}{reader.library}", lane=lane, reader=name, baselines=lane in baselines
        )
        for lane, wire in wires.items()
        for name, reader in engine_clients.discover().items()
        if reader.wire == wire
    }


def with_clients(lanes: Sequence[str], read_by: Mapping[str, Contestant]) -> tuple[str, ...]:
    """Return *lanes*, each followed by its rows of *read_by*."""
    of_lanes = ((lane, *(name for name, row in read_by.items() if row.lane == lane)) for lane in lanes)
    return tuple(dict.fromkeys(name for of_lane in of_lanes for name in of_lane))


def with_external(lanes: Sequence[str], others: Mapping[str, Contestant]) -> tuple[str, ...]:
    """Return *lanes* and, if none of other servers' is among them, all of those."""
    external = [name for name, subject in others.items() if isinstance(subject, External)]
    return (*lanes,) if {*lanes} & {*external} else (*lanes, *external)


def check_trials(trials: Sequence[TrialPlan]) -> None:
    """Raise BadParameter for a trial in which another server, the floor or a client library can't take its part."""
    known = kinds.discover()
    for trial in trials:
        if CLIENT in trial.subject.reader and not known[trial.workload.kind].any_client:
            able = ", ".join(f"[{name}]" for name, kind in known.items() if kind.any_client)
            raise click.BadParameter(
                f"lane {trial.subject.name} can't take part in [{trial.workload.kind}]: a client library only reads, "
                f"and its connections can't be timed or counted; it can in {able}",
                param_hint="'--lanes'",
            )
        sent = isinstance(trial.workload.task, Sessions) and any(one.messages for one in trial.workload.task.sessions)
        if (isinstance(trial.subject, External) and trial.workload.stream is None) or (
            isinstance(trial.subject, Floor) and sent
        ):
            raise click.BadParameter(
                f"lane {trial.subject.name} can't take part in [{trial.workload.kind}]: other servers only in trials "
                "in which all read one stream, the floor in none in which clients send",
                param_hint="'--lanes'",
            )


def check(
    lanes: Sequence[str], wires: Mapping[str, Wire], left_out: Mapping[str, str], others: Mapping[str, Contestant]
) -> None:
    """Raise BadParameter for a lane that doesn't exist, is there twice, or can't be measured."""
    for lane in lanes:
        if lane not in wires and lane not in others:
            raise click.BadParameter(
                f"there is no lane {lane!r}; there are {', '.join(sorted({*wires, *others}))}", param_hint="'--lanes'"
            )
        if lanes.count(lane) > 1:
            raise click.BadParameter(f"lane {lane} is named twice", param_hint="'--lanes'")
        if lane in left_out:
            raise click.BadParameter(
                f"lane {lane} writes the {left_out[lane]}: complete its reader in benchmarks/engine/wires, "
                "or leave the lane out",
                param_hint="'--lanes'",
            )
