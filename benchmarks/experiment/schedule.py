"""Which trials are run, in which order: rounds of all rows, shuffled within each round, from a seed.

Where the lanes of a workload take turns, their trials are one entry, and run side by side.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from streamlanes.benchmarks import kinds
from streamlanes.benchmarks.experiment.scenario import Scenario
from streamlanes.benchmarks.spec.records import CLIENT
from streamlanes.benchmarks.spec.trace import Trace
from streamlanes.benchmarks.spec.workload import in_turn, without_readers
from streamlanes.benchmarks.trial.contestants import Contestant
from streamlanes.benchmarks.trial.trial import TrialPlan


def schedule(
    scenario: Scenario,
    subjects: Sequence[Contestant],
    trace: Trace | None = None,
    *,
    alone: Contestant | None = None,
    side_by_side: bool = True,
) -> list[tuple[TrialPlan, ...]]:
    """Return the trials of a run, those that are run together in one; *alone* is the server that nobody reads from.

    Without *side_by_side* all are run alone: where there is no engine for each, or one server for all of them.
    Everything random comes from the scenario's seed.
    """
    # The order of an experiment, not cryptography.
    rng = random.Random(scenario.seed)  # noqa: S311
    parts = [scenario.part(kind) for kind in scenario.parts]
    known = kinds.discover()
    trials: list[tuple[TrialPlan, ...]] = []
    for number in range(1, scenario.rounds() + 1):
        workloads = [
            workload
            for part in parts
            if number <= part.rounds
            for workload in part.workloads(seed=scenario.seed, round_number=number, trace=trace)
        ]
        of_round: list[tuple[TrialPlan, ...]] = []
        for workload in workloads:
            plans = [
                TrialPlan(subject=subject, workload=workload, round=number, seed=scenario.seed)
                for subject in subjects
                # The harness's instruments are about the load engine's own readers.
                if not (known[workload.kind].instrument and CLIENT in subject.reader)
            ]
            if alone is not None and known[workload.kind].alone:
                plans.append(TrialPlan(subject=alone, workload=workload, round=number, seed=scenario.seed))
            rng.shuffle(plans)
            of_round += _batches(plans, alone, side_by_side=side_by_side)
        rng.shuffle(of_round)
        trials += of_round
    return trials


def _batches(
    plans: Sequence[TrialPlan], alone: Contestant | None, *, side_by_side: bool
) -> list[tuple[TrialPlan, ...]]:
    """Return the trials of one workload, in turns or one by one; nobody reads in *alone*'s."""
    turns = side_by_side and any(plan.workload.turn for plan in plans)
    timed = plans
    if turns:
        timed = [replace(one, workload=in_turn(one.workload, at, len(plans))) for at, one in enumerate(plans)]
    complete = [
        replace(plan, workload=without_readers(plan.workload)) if plan.subject is alone else plan for plan in timed
    ]
    return [tuple(complete)] if turns else [(plan,) for plan in complete]
