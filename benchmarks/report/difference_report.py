"""What people read of two runs: a table, the worst first, in the terminal or in Markdown."""

from __future__ import annotations

from typing import Final

from rich.console import Console

from streamlanes.benchmarks.experiment.results import Run
from streamlanes.benchmarks.report.comparison import Comparison, Verdict, where
from streamlanes.benchmarks.report.difference import Difference
from streamlanes.benchmarks.report.tables import Table, cell, unit
from streamlanes.benchmarks.report.terminal import markdown_list, markdown_table, plain, rich_table
from streamlanes.benchmarks.spec.metrics import METRICS

ORDER: Final[tuple[Verdict, ...]] = ("worse", "better", "undecided", "incomplete", "preliminary", "equivalent")
"""Verdicts in the order of the rows."""


def difference_table(found: Difference) -> Table:
    """Return a row for each metric and lane."""
    rows = sorted(found.entries, key=lambda entry: ORDER.index(entry.verdict))
    return Table(
        title="B against A",
        head=("lane", "figure", "A", "B", "B/A", "interval", "p", "verdict"),
        rows=tuple(_cells(entry) for entry in rows),
        notes=(
            "A, B: medians. B/A: ratio of geometric means, interval and p by Welch's t on logarithms, after",
            "Holm's correction over all rows: 5 % is the chance of one false difference or more among them.",
            "worse, better: the interval is wholly beyond the margin (5 %, or what a lane against itself differed by);",
            "equivalent: wholly inside; undecided: neither. preliminary: under 10 rounds; incomplete: trials left out.",
        ),
    )


def conclusion(found: Difference) -> str:
    """Return what came out, in a sentence."""
    counts = {verdict: sum(entry.verdict == verdict for entry in found.entries) for verdict in ORDER}
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    if not told:
        told = "nothing could be compared"
    return "; ".join([*found.broken, told])


def print_difference(console: Console, before: Run, after: Run, found: Difference) -> None:
    """Print the conclusion, the table and what was left out. Reads well from 80 columns on, and without colours."""
    table = difference_table(found)
    for line in _head(before, after):
        console.print(line, highlight=False, markup=False)
    if found.entries:
        console.print()
        console.print(rich_table(table))
        for note in table.notes:
            console.print(note, style="dim", highlight=False, markup=False)
    for line in found.left_out:
        console.print(f"- {line}", highlight=False, markup=False)
    console.print(f"\n{conclusion(found)}", style="bold", highlight=False, markup=False)


def difference_markdown(before: Run, after: Run, found: Difference) -> str:
    """Return the same in Markdown."""
    table = difference_table(found)
    sections = ["# B against A", markdown_list(_head(before, after)), f"**{plain(conclusion(found))}**"]
    if found.entries:
        sections += [markdown_table(table), plain(" ".join(table.notes))]
    if found.left_out:
        sections += ["## Left out", markdown_list(found.left_out)]
    return "\n\n".join(sections) + "\n"


def _head(before: Run, after: Run) -> list[str]:
    return [
        f"{name}: {run.header.scenario.name}, {run.header.started}, "
        f"streamlanes {run.header.environment.packages.get('streamlanes', 'unknown')}"
        for name, run in (("A", before), ("B", after))
    ]


def _cells(entry: Comparison) -> tuple[str, ...]:
    metric = METRICS[entry.metric]
    return (
        f"{entry.lane}, {where(entry.kind, entry.point)}",
        f"{metric.title} {unit(metric)}".strip(),
        cell(metric, entry.median_reference),
        cell(metric, entry.median_lane),
        f"{entry.ratio:.3f}",
        f"{_end(entry.low)} to {_end(entry.high)}",
        "<0.001" if entry.p_adjusted < 0.001 else f"{entry.p_adjusted:.3f}",
        entry.verdict,
    )


def _end(ratio: float) -> str:
    return f"{ratio:.3f}" if ratio < 1000 else ">1000"
