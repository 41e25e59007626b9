"""Who takes part in an experiment: names go in, contestants come out, each of which can be measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, Literal

from streamlanes.benchmarks import kinds
from streamlanes.benchmarks.engine import clients, wires
from streamlanes.benchmarks.experiment.errors import ExperimentError
from streamlanes.benchmarks.experiment.scenario import Scenario
from streamlanes.benchmarks.external import description
from streamlanes.benchmarks.external.description import ExternalError
from streamlanes.benchmarks.external.server import External
from streamlanes.benchmarks.kinds import Measures
from streamlanes.benchmarks.spec.role import Role
from streamlanes.benchmarks.trial.contestants import FLOORS, Contestant, Lane
from streamlanes.producers.wire import Wire
from streamlanes.transports import baselines, discover

WHY_NOT: Final = {
    Role.CLIENT: "a client library only reads, and its connections can't be timed or counted",
    Role.FLOOR: "the floor carries a stream down, and nothing up",
    Role.EXTERNAL: "other servers carry one stream that all read",
}
"""Reasons why one of a role can't take part in every kind of trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineup:
    """Who takes part."""

    lanes: tuple[str, ...]
    """Names of the contestants that are compared."""
    contestants: tuple[Contestant, ...]
    """The same, and the first of the server's lanes a second time."""
    left_out: Mapping[str, str]
    """Lanes that `all` would have, and why they can't be measured."""


def choose(
    scenario: Scenario,
    lanes: Sequence[str] | Literal["all"] | None,
    of_server: Mapping[str, Wire] | None,
    external: str | None,
    *,
    with_clients: bool,
) -> Lineup:
    """Return the contestants: *lanes*, by default the scenario's.

    *of_server*: the lanes of a server that is running already, by their wires; None: our own server, and with it the
    floor and the *external* lanes of a file, all of them unless *lanes* names some. *with_clients*: each lane is
    followed by a contestant for each client library that reads it. Raises ExperimentError for a lane that isn't there,
    is named twice, can't be measured, or can't take part in a kind of trial that the scenario has.
    """
    known = contestants_of(own_wires() if of_server is None else of_server)
    others = {} if of_server is not None else other_contestants(external, known)
    left_out = unmeasurable({one.lane: Wire(one.reader) for one in known.values()}, sending=_sends(scenario))
    names = _named(scenario, lanes, known, left_out)
    external_names = [name for name, one in others.items() if one.role is Role.EXTERNAL]
    if not {*names} & {*external_names}:
        names = (*names, *external_names)
    libraries = _libraries(known) if with_clients or {*names} - {*known, *others} else {}
    if with_clients:
        names = followed_by_clients(names, libraries)
    there = {**known, **others, **libraries}
    _check(names, there, left_out)
    chosen = [there[name] for name in names]
    check_roles(chosen, scenario.parts)
    twice = next((one for one in chosen if isinstance(one, Lane) and one.role is Role.LANE), None)
    if scenario.rounds() > 1 and twice is not None:
        chosen.append(twice.again())
    return Lineup(lanes=names, contestants=tuple(chosen), left_out=left_out)


def own_wires() -> dict[str, Wire]:
    """Return the wires of our server's lanes."""
    return {name: transport.wire for name, transport in {**discover(), **baselines.discover()}.items()}


def contestants_of(lanes: Mapping[str, Wire]) -> dict[str, Lane]:
    """Return a server's *lanes*, which the engine reads by their wires."""
    usual = baselines.discover()
    return {name: Lane(name=name, lane=name, reader=wire, baselines=name in usual) for name, wire in lanes.items()}


def other_contestants(external: str | None, lanes: Iterable[str]) -> dict[str, Contestant]:
    """Return the floors, and the lanes of the file *external*. Raises ExperimentError if that can't be used."""
    floors: dict[str, Contestant] = {floor.name: floor for floor in FLOORS}
    if external is None:
        return floors
    try:
        found = description.load(description.find(external))
    except ExternalError as error:
        raise ExperimentError("external", str(error)) from error
    for name in found.keys() & {*lanes, *floors}:
        raise ExperimentError("external", f"{name} is a lane of this project's own; give it another name")
    return floors | {name: External(lane) for name, lane in found.items()}


def unmeasurable(lanes: Mapping[str, Wire], *, sending: bool) -> dict[str, str]:
    """Return the lanes that the load engine can't read or, when *sending*, can't send to, and why."""
    readers = wires.discover()
    reasons = {}
    for lane, wire in sorted(lanes.items()):
        if wire not in readers:
            reasons[lane] = f"wire {wire!r}, which the load engine can't read"
        elif sending and readers[wire].way_up is None:
            reasons[lane] = f"wire {wire!r}, for which the load engine has no way up"
    return reasons


def followed_by_clients(names: Sequence[str], libraries: Mapping[str, Lane]) -> tuple[str, ...]:
    """Return *names*, each followed by those of *libraries* that read the same lane."""
    of_lanes = ((name, *(read for read, one in libraries.items() if one.lane == name)) for name in names)
    return tuple(dict.fromkeys(chain.from_iterable(of_lanes)))


def check_roles(contestants: Iterable[Contestant], parts: Iterable[str]) -> None:
    """Raise ExperimentError for one whose role has no part in a kind of *parts* that measures lanes."""
    known = kinds.discover()
    for kind in (known[part] for part in parts):
        for one in contestants:
            if one.role not in kind.roles and kind.measures is Measures.LANES:
                able = ", ".join(f"[{name}]" for name, other in sorted(known.items()) if one.role in other.roles)
                why = f"lane {one.name} can't take part in [{kind.name}]: {WHY_NOT[one.role]}; it can in {able}"
                raise ExperimentError("lanes", why)


def _sends(scenario: Scenario) -> bool:
    return any(kinds.discover()[kind].sends for kind in scenario.parts)


def _named(
    scenario: Scenario,
    lanes: Sequence[str] | Literal["all"] | None,
    known: Mapping[str, Contestant],
    left_out: Mapping[str, str],
) -> tuple[str, ...]:
    if lanes is None:
        return scenario.lanes
    if lanes == "all":
        return tuple(sorted(known.keys() - left_out))
    if not lanes:
        raise ExperimentError("lanes", "name one lane or more, such as sse,ws, or all")
    return tuple(lanes)


def _libraries(lanes: Mapping[str, Lane]) -> dict[str, Lane]:
    """Return the lanes as client libraries read them, by the names of these contestants."""
    read = [
        lane.read_with(name, reader.library)
        for lane in lanes.values()
        for name, reader in clients.discover().items()
        if reader.wire == lane.reader
    ]
    return {one.name: one for one in read}


def _check(names: Sequence[str], there: Mapping[str, Contestant], left_out: Mapping[str, str]) -> None:
    for name in names:
        if name not in there:
            shown = sorted(known for known, one in there.items() if one.role is not Role.CLIENT or "+" in name)
            raise ExperimentError("lanes", f"there is no lane {name!r}; there are {', '.join(shown)}")
        if names.count(name) > 1:
            raise ExperimentError("lanes", f"lane {name} is named twice")
        if name in left_out:
            raise ExperimentError(
                "lanes",
                f"lane {name} writes the {left_out[name]}: complete its reader in benchmarks/engine/wires, or leave "
                "the lane out",
            )
