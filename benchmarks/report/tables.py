"""What a report says: tables of text, the same for every form of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streamlanes.benchmarks import kinds
from streamlanes.benchmarks.analysis import caveats
from streamlanes.benchmarks.analysis.caveats import Caveat
from streamlanes.benchmarks.analysis.histogram import MIN_BEYOND
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment.results import Header
from streamlanes.benchmarks.kinds import Measures, is_traced
from streamlanes.benchmarks.report.rows import COST, Row, lane_names, rows
from streamlanes.benchmarks.spec.metrics import ENGINE, METRICS, Metric
from streamlanes.benchmarks.spec.role import Role

NOTHING: Final = "-"
FLOOR_MULTIPLE: Final = "floor_multiple"
PARTS: Final = ("", "Where the time went", "Between events")
"""Titles of a kind's tables; the first one's is its own."""
GATE: Final = "faults"
GATE_NOTE: Final = "faults: events lost/repeated/reordered."


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A title, a head of one line or more, rows of cells (the first one is the lane), and what the columns mean."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def tables(header: Header, results: Sequence[Result]) -> list[Table]:
    """Return the tables of each kind of trials that there were, in the order of the scenario."""
    found: list[Table] = []
    for name in header.scenario.parts:
        of_kind = rows(results, name, _in_order(header, results))
        if of_kind:
            kind, part = kinds.discover()[name], header.scenario.part(name)
            for number, metrics in enumerate(kind.tables):
                title = PARTS[number] or part.title()
                notes = (*part.notes(), *_ceilings(header, of_kind), *(_trace(header) if is_traced(part) else ()))
                shown = metrics if number else _with_clients(metrics, of_kind)
                found += _table(title, _with_floor(shown), of_kind, () if number else notes, first=number == 0)
    return found


def _with_clients(metrics: Sequence[str], of_kind: Sequence[Row]) -> Sequence[str]:
    """Return *metrics* and, where a client library reads, its cost."""
    clients = any(row.role is Role.CLIENT for row in of_kind)
    return (*metrics, ENGINE) if clients and ENGINE not in metrics else metrics


def _ceilings(header: Header, of_kind: Sequence[Row]) -> tuple[str, ...]:
    """Return a note on how far the engine's ceiling is above the lanes' rates, where it was measured."""
    known = [
        (row.lane, header.ceilings[row.lane].rate, row.figures["rate"])
        for row in of_kind
        if row.lane in header.ceilings and "rate" in row.figures
    ]
    ratios = ", ".join(f"{lane} x{ceiling / rate:.1f} ({ceiling:,.0f}/s)" for lane, ceiling, rate in known)
    return (
        (f"The engine's ceiling against a null server, as a multiple of the lane's rate: {ratios}.",) if known else ()
    )


def _trace(header: Header) -> tuple[str, ...]:
    """Return what took the place of the scenario's own clients, times and counts."""
    trace = header.trace
    if trace is None:
        return ()
    return (f"Of a trace instead: {trace.sessions:,} sessions as in {trace.file}, x{trace.speed:,.12g}.",)


def _with_floor(metrics: Sequence[str]) -> list[Metric]:
    """Return *metrics*, the multiple of the floor's cost behind the cost."""
    return [METRICS[name] for metric in metrics for name in ([COST, FLOOR_MULTIPLE] if metric == COST else [metric])]


def _in_order(header: Header, results: Sequence[Result]) -> list[str]:
    """Return the rows in the order of the scenario's lanes, others behind them."""
    there = lane_names(results)
    return [lane for lane in header.scenario.lanes if lane in there] + sorted(set(there) - {*header.scenario.lanes})


def _table(
    title: str, metrics: Sequence[Metric], of_kind: Sequence[Row], notes: tuple[str, ...], *, first: bool
) -> list[Table]:
    """Return a table; the *first* one of a kind says what came of the gate, others aren't there if they are empty."""
    shown = [metric for metric in metrics if any(metric.name in row.figures for row in of_kind)]
    if not shown and not first:
        return []
    points = list(dict.fromkeys(name for row in of_kind for name in row.point))
    few = [metric for metric in metrics if any(_lacks(row, metric) for row in of_kind)]
    there = [row for row in of_kind if first or any(metric.name in row.figures for metric in shown)]
    head = ("lane", *points, *(("trials", GATE) if first else ()), *(_title(metric) for metric in shown))
    return [
        Table(
            title=title,
            head=head,
            rows=tuple(_cells(row, points, shown, whole=first) for row in there),
            notes=(*notes, *((GATE_NOTE,) if first else ()), *_meanings(shown), *too_few(few, shown)),
        )
    ]


def _cells(row: Row, points: Sequence[str], metrics: Sequence[Metric], *, whole: bool) -> tuple[str, ...]:
    return (
        row.lane,
        *(f"{row.point[name]:,.6g}" if name in row.point else NOTHING for name in points),
        *((str(row.trials), gate(row)) if whole else ()),
        *(cell(metric, row.figures.get(metric.name)) for metric in metrics),
    )


def _title(metric: Metric) -> str:
    """Return a head of two lines, or of one if there is no unit to it."""
    of = unit(metric)
    name, _, percentile = metric.title.rpartition(" ")
    if name and of:
        return f"{name}\n{percentile} {of}"
    return f"{metric.title}\n{of}" if of and of != metric.title else metric.title.replace(" ", "\n")


def unit(metric: Metric) -> str:
    """Return a metric's unit as it is printed."""
    return metric.unit.replace("us/", "µs/")


def cell(metric: Metric, value: float | None) -> str:
    """Return a figure as a table shows it."""
    if value is None:
        return NOTHING
    if not metric.unit:
        return percent_in_time(value) if metric.better == "higher" else f"{value:.0%}"
    return f"{value:,.0f}" if metric.unit.endswith("/s") else number(value)


def _meanings(metrics: Sequence[Metric]) -> tuple[str, ...]:
    """Return a note for each meaning, those that several columns share once."""
    by_meaning: dict[str, list[str]] = {}
    for metric in metrics:
        by_meaning.setdefault(metric.meaning, []).append(metric.title)
    return tuple(
        f"{titles[0]}{f' to {titles[-1]}' if titles[1:] else ''}: {_in_sentence(meaning)}"
        for meaning, titles in by_meaning.items()
    )


def _in_sentence(text: str) -> str:
    """Return *text* without its capital, unless that is an abbreviation's."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _lacks(row: Row, metric: Metric) -> bool:
    """Say whether a percentile isn't printed for want of samples."""
    has_samples = row.events > 0 and row.correctness.ok and not row.overloaded
    return metric.histogram is not None and has_samples and metric.name not in row.figures


def doubts(header: Header, results: Sequence[Result]) -> list[str]:
    """Return the run's caveats, then the worst of each name and lane."""
    environment, trace = header.environment, header.trace
    rounds_of = {
        kind: len({result.round for result in results if result.kind == kind})
        for kind in header.scenario.parts
        if kinds.discover()[kind].measures is Measures.LANES
    }
    of_run = [
        *caveats.interrupted(len(results), header.trials),
        *caveats.preliminary(rounds_of),
        *(
            [
                *caveats.placement(environment.cpus, environment.server_cpu, environment.engine_cpu),
                *caveats.congestion_control(environment.sysctls["net.ipv4.tcp_congestion_control"]),
            ]
            if header.target is None
            else caveats.target(header.target.url, header.target.server)
        ),
        *caveats.clients(lane_names([result for result in results if result.role is Role.CLIENT])),
        *caveats.left_out(header.left_out),
        *(caveats.trace(trace.skipped, trace.out_of_order) if trace else []),
    ]
    of_lanes = [(result.lane, caveat) for result in results for caveat in result.caveats]
    for kind in header.scenario.parts:
        for row in rows(results, kind):
            ceiling = header.ceilings.get(row.lane)
            limit = None if ceiling is None or ceiling.exempt else ceiling.rate
            of_lanes += [(row.lane, caveat) for caveat in kinds.discover()[kind].doubts(row.figures, limit)]
    worst: dict[str, dict[str, Caveat]] = {}
    for lane, caveat in of_lanes:
        lanes = worst.setdefault(caveat.name, {})
        known = lanes.get(lane)
        if known is None or caveat.size > known.size:
            lanes[lane] = caveat
    of_trials = [
        f"{name}: " + "; ".join(f"{lane} {caveat.detail}" for lane, caveat in sorted(lanes.items()))
        for name, lanes in sorted(worst.items())
    ]
    return [f"{caveat.name}: {caveat.detail}" for caveat in of_run] + of_trials


def refusals(results: Sequence[Result]) -> list[str]:
    """Return a line for each trial that isn't correct."""
    return [
        f"{result.lane}, {result.kind}, round {result.round}: {result.correctness.faults()} (raw/{result.trial})"
        for result in results
        if not result.correctness.ok
    ]


def number(value: float | None) -> str:
    """Return a figure with three digits of it, or `-`."""
    if value is None:
        return NOTHING
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percent_in_time(part: float) -> str:
    """Return a share, rounded down: 100 % is all of them."""
    return "100%" if part == 1 else f"{math.floor(part * 1000) / 10:.1f}%"


def gate(row: Row) -> str:
    """Return the cell of what was wrong, and what came of it."""
    correctness = row.correctness
    counts = f"{correctness.lost}/{correctness.repeated}/{correctness.reordered}"
    if not correctness.ok:
        return f"{counts}\nREFUSED"
    return f"{counts}\noverloaded" if row.overloaded else counts


def too_few(few: Sequence[Metric], shown: Sequence[Metric]) -> tuple[str, ...]:
    """Return the notes on percentiles that aren't printed: of some of the lanes, and of all."""
    at = sorted({metric.histogram[1] for metric in few if metric in shown and metric.histogram is not None})
    needed = ", ".join(f"{MIN_BEYOND * 100 / (100 - value):,.0f} for p{value:g}" for value in at)
    rule = f"-: too few samples; a percentile is printed if at least {MIN_BEYOND} lie beyond it ({needed})."
    absent = ", ".join(metric.title for metric in few if metric not in shown)
    return (*((rule,) if at else ()), *((f"Not shown, for too few samples: {absent}.",) if absent else ()))
