"""Which lanes `streamlanes compare` measures, and why not others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import click

from benchmarks.engine import wires as engine_wires
from benchmarks.external import lanes as external_lanes
from benchmarks.external.contestant import External
from benchmarks.external.lanes import ExternalError
from benchmarks.results import FLOOR
from benchmarks.subjects import Contestant, Floor
from benchmarks.tasks import Sessions
from benchmarks.trial import TrialPlan
from producers.wire import Wire


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


def with_external(lanes: Sequence[str], others: Mapping[str, Contestant]) -> tuple[str, ...]:
    """Return *lanes* and, if none of other servers' is among them, all of those."""
    external = [name for name, subject in others.items() if isinstance(subject, External)]
    return (*lanes,) if {*lanes} & {*external} else (*lanes, *external)


def check_trials(trials: Sequence[TrialPlan]) -> None:
    """Raise BadParameter for a trial in which another server, or the floor, can't take its part."""
    for trial in trials:
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
