"""What a report says of the lanes against each other: a column for each, and what the verdicts mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from streamlanes.benchmarks import kinds
from streamlanes.benchmarks.analysis.caveats import ROUNDS_FOR_A_VERDICT
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.analysis.statistics import ALPHA
from streamlanes.benchmarks.experiment.results import Header
from streamlanes.benchmarks.report.comparison import COMPARED, Comparison, Comparisons, compare, where
from streamlanes.benchmarks.report.rows import lane_names
from streamlanes.benchmarks.report.tables import Table, cell, unit
from streamlanes.benchmarks.spec.metrics import ENGINE, METRICS
from streamlanes.benchmarks.spec.role import Role
from streamlanes.benchmarks.spec.workload import told

HEADLINES: Final = {metric for kind in kinds.discover().values() for metric in kind.tables[0]} & {*COMPARED}
"""The metrics of the kinds' first tables: what a terminal has room for."""


def compared(header: Header, results: Sequence[Result], reference: str | None = None) -> Comparisons:
    """Compare all lanes with *reference*, by default the scenario's first one. Raises ValueError if it isn't there."""
    there = lane_names([result for result in results if result.role not in {Role.ALONE, Role.AGAIN}])
    lanes = [lane for lane in (*header.scenario.lanes, *sorted(there)) if lane in there]
    clients = any(result.role is Role.CLIENT for result in results)
    return compare(results, list(dict.fromkeys(lanes)), reference, (*COMPARED, ENGINE) if clients else COMPARED)


def comparison_table(found: Comparisons) -> Table | None:
    """Return the ratios of the headline metrics, a column for each lane; None if nothing could be compared."""
    entries = [entry for entry in found.entries if entry.metric in HEADLINES | {ENGINE}]
    if not entries:
        return None
    reference = entries[0].reference
    places = list(dict.fromkeys((where(entry.kind, entry.point), entry.metric) for entry in entries))
    of_places = {place: [entry for entry in entries if _place(entry) == place] for place in places}
    return Table(
        title=f"Against {reference}: ratios, with the interval of the mean over rounds",
        head=("", "lane", "median", "ratio", "interval", "verdict"),
        rows=tuple(row for place in places for row in _rows(of_places[place], reference)),
        notes=_notes(entries),
    )


def _place(entry: Comparison) -> tuple[str, str]:
    return where(entry.kind, entry.point), entry.metric


def _rows(entries: Sequence[Comparison], reference: str) -> Iterator[tuple[str, ...]]:
    """Yield a row for the reference, which has the metric's name, and one for each lane."""
    metric = METRICS[entries[0].metric]
    name = f"{metric.title} {unit(metric)}".strip()
    at = told(entries[0].point)
    yield (f"{name}, {at}" if at else name, reference, cell(metric, entries[0].median_reference), "", "", "")
    for entry in entries:
        interval = f"{_ratio(entry.low)} to {_ratio(entry.high)}"
        yield "", entry.lane, cell(metric, entry.median_lane), f"x{_ratio(entry.ratio)}", interval, entry.verdict


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}" if value < 1000 else ">999"


def _notes(entries: Sequence[Comparison]) -> tuple[str, ...]:
    rounds = max(entry.rounds for entry in entries)
    pairs = f"One log-ratio a round; t intervals of {1 - ALPHA:.0%} over {rounds} rounds, Holm's correction over all."
    if rounds < ROUNDS_FOR_A_VERDICT:
        return (pairs, f"Preliminary: verdicts take {ROUNDS_FOR_A_VERDICT} rounds.")
    return (
        pairs,
        (
            "better, worse: the whole interval lies beyond the margin, which is 5 % or what the lane that ran twice "
            "differed from itself, if that is more. equivalent: wholly within it. undecided: neither."
        ),
        *(
            f"{entry.lane}: the same lane a second time, against a margin of 5 %. It should be equivalent."
            for entry in entries[-1:]
            if entry.against_itself
        ),
    )
