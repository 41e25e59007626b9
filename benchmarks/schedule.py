"""Which trials are run, in which order: rounds of all lanes, shuffled within each round, from a seed."""

from __future__ import annotations

import random
from collections.abc import Mapping

from benchmarks import plan
from benchmarks.expected import expect
from benchmarks.scenario import Load, Rtt, Saturated, Scenario
from benchmarks.trace import Trace
from benchmarks.trial import TrialPlan
from producers.wire import Wire


def schedule(scenario: Scenario, wires: Mapping[str, Wire], trace: Trace | None = None) -> list[TrialPlan]:
    """Return the trials of a run. *wires* has the wire of each lane. Everything random comes from the seed."""
    # The order of an experiment, not cryptography.
    rng = random.Random(scenario.seed)  # noqa: S311
    trials: list[TrialPlan] = []
    for number in range(1, scenario.rounds() + 1):
        round_trials: list[TrialPlan] = []
        if scenario.load is not None and number <= scenario.load.rounds:
            round_trials += _load(scenario, scenario.load, number, wires, trace)
        if scenario.saturated is not None and number <= scenario.saturated.rounds:
            round_trials += _saturated(scenario, scenario.saturated, number, wires)
        if scenario.rtt is not None and number <= scenario.rtt.rounds:
            round_trials += _rtt(scenario, scenario.rtt, number, wires)
        rng.shuffle(round_trials)
        trials += round_trials
    return trials


def _load(
    scenario: Scenario, load: Load, number: int, wires: Mapping[str, Wire], trace: Trace | None
) -> list[TrialPlan]:
    sessions = tuple(plan.sessions(load, seed=scenario.seed, round_number=number, trace=trace))
    expected = tuple(expect(sessions))
    return [
        TrialPlan(
            kind="load",
            lane=lane,
            wire=wires[lane],
            round=number,
            seed=scenario.seed,
            sessions=sessions,
            expected=expected,
            warm_up=plan.warm_up(load),
            deadline=load.deadline,
        )
        for lane in scenario.lanes
    ]


def _saturated(scenario: Scenario, saturated: Saturated, number: int, wires: Mapping[str, Wire]) -> list[TrialPlan]:
    stream = plan.prefilled(saturated, scenario.seed)
    expected = tuple(expect([stream]))
    return [
        TrialPlan(
            kind="saturated",
            lane=lane,
            wire=wires[lane],
            round=number,
            seed=scenario.seed,
            sessions=(stream,),
            expected=expected,
            seconds=saturated.seconds,
        )
        for lane in scenario.lanes
    ]


def _rtt(scenario: Scenario, rtt: Rtt, number: int, wires: Mapping[str, Wire]) -> list[TrialPlan]:
    sessions = tuple(plan.conversations(rtt, seed=scenario.seed, round_number=number))
    expected = tuple(expect(sessions))
    return [
        TrialPlan(
            kind="rtt",
            lane=lane,
            wire=wires[lane],
            round=number,
            seed=scenario.seed,
            sessions=sessions,
            expected=expected,
            warm_up=plan.warm_up_conversation(rtt),
            settle=plan.settle_ns(rtt) / 1e9,
        )
        for lane in scenario.lanes
    ]
