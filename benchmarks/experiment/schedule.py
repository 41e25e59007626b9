"""Which trials are run, in which order: rounds of all contestants, shuffled within each round, from a seed.

Where the lanes of a workload take turns, their trials are one entry, and run side by side.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

from streamlanes.benchmarks import kinds
from streamlanes.benchmarks.experiment.scenario import Scenario
from streamlanes.benchmarks.kinds import Part, is_traced
from streamlanes.benchmarks.spec.role import Role
from streamlanes.benchmarks.spec.trace import Trace
from streamlanes.benchmarks.spec.workload import Workload, in_turn, without_readers
from streamlanes.benchmarks.trial.contestants import Contestant
from streamlanes.benchmarks.trial.trial import TrialPlan


def schedule(
    scenario: Scenario, contestants: Sequence[Contestant], trace: Trace | None = None, *, side_by_side: bool = True
) -> list[tuple[TrialPlan, ...]]:
    """Return the trials of a run, those that are run together in one.

    Each kind's are run with the contestants whose roles have a part in it. Without *side_by_side* all are run one after
    the other: where there is no engine for each, or one server for all of them. Everything random comes from the
    scenario's seed.
    """
    # The order of an experiment, not cryptography.
    rng = random.Random(scenario.seed)  # noqa: S311
    parts = [scenario.part(kind) for kind in scenario.parts]
    trials: list[tuple[TrialPlan, ...]] = []
    for number in range(1, scenario.rounds() + 1):
        of_round: list[tuple[TrialPlan, ...]] = []
        for workload in _workloads(parts, scenario.seed, number, trace):
            kind = kinds.discover()[workload.kind]
            plans = [
                TrialPlan(contestant=contestant, workload=workload, round=number, seed=scenario.seed)
                for contestant in contestants
                if contestant.role in kind.roles
            ]
            rng.shuffle(plans)
            of_round += _together(plans) if side_by_side and workload.turn else [(_told(plan),) for plan in plans]
        rng.shuffle(of_round)
        trials += of_round
    return trials


def _workloads(parts: Iterable[Part], seed: int, number: int, trace: Trace | None) -> Iterable[Workload]:
    for part in parts:
        if number <= part.rounds:
            if trace is not None and is_traced(part):
                yield from part.traced(trace, seed=seed, round_number=number)
            else:
                yield from part.workloads(seed=seed, round_number=number)


def _together(plans: Sequence[TrialPlan]) -> list[tuple[TrialPlan, ...]]:
    """Return the trials of one workload as one entry, each with its turns."""
    timed = [replace(plan, workload=in_turn(plan.workload, at, len(plans))) for at, plan in enumerate(plans)]
    return [tuple(_told(plan) for plan in timed)]


def _told(plan: TrialPlan) -> TrialPlan:
    """Return the trial as its contestant has it: nobody reads where it is the server alone."""
    if plan.contestant.role is not Role.ALONE:
        return plan
    return replace(plan, workload=without_readers(plan.workload))
