"""Which trials are run, in which order: rounds of all rows, shuffled within each round, from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence

from benchmarks import kinds
from benchmarks.records import CLIENT
from benchmarks.scenario import Scenario
from benchmarks.subjects import Contestant
from benchmarks.trace import Trace
from benchmarks.trial import TrialPlan
from benchmarks.workload import without_readers


def schedule(
    scenario: Scenario, subjects: Sequence[Contestant], trace: Trace | None = None, *, alone: Contestant | None = None
) -> list[TrialPlan]:
    """Return the trials of a run; *alone* is the server of those in which nobody reads.

    Everything random comes from the scenario's seed.
    """
    # The order of an experiment, not cryptography.
    rng = random.Random(scenario.seed)  # noqa: S311
    parts = [scenario.part(kind) for kind in scenario.parts]
    known = kinds.discover()
    trials: list[TrialPlan] = []
    for number in range(1, scenario.rounds() + 1):
        workloads = [
            workload
            for part in parts
            if number <= part.rounds
            for workload in part.workloads(seed=scenario.seed, round_number=number, trace=trace)
        ]
        round_trials = [
            TrialPlan(subject=subject, workload=workload, round=number, seed=scenario.seed)
            for workload in workloads
            for subject in subjects
            # The harness's instruments are about the load engine's own readers.
            if not (known[workload.kind].instrument and CLIENT in subject.reader)
        ]
        if alone is not None:
            round_trials += [
                TrialPlan(subject=alone, workload=without_readers(workload), round=number, seed=scenario.seed)
                for workload in workloads
                if known[workload.kind].alone
            ]
        rng.shuffle(round_trials)
        trials += round_trials
    return trials
