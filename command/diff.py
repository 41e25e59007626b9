"""`streamlanes diff`."""

from __future__ import annotations

from pathlib import Path

import click

from streamlanes.benchmarks.experiment import results
from streamlanes.benchmarks.experiment.results import Run
from streamlanes.benchmarks.report.difference import difference, unlike
from streamlanes.benchmarks.report.difference_report import difference_markdown, print_difference
from streamlanes.command.terminal import stdout

RUN = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.argument("run_a", type=RUN)
@click.argument("run_b", type=RUN)
@click.option("--anyway", is_flag=True, help="Compare runs whose environments or loads differ.")
@click.option("--markdown", is_flag=True, help="Print Markdown instead of a table for the terminal.")
def diff(run_a: Path, run_b: Path, *, anyway: bool, markdown: bool) -> None:
    """Compare two runs of one scenario, lane by lane: what became better or worse from RUN_A to RUN_B.

    A and B are the folders of results. Worse is what is so beyond the margin, after Holm's correction for the number of
    comparisons, of ten rounds or more on both sides; or a lane that lost events or was overloaded, and wasn't before.
    Exit code: 0 if nothing is worse, 1 if something is, 2 if a run can't be read, or the two can't be compared: their
    environments differ, or no lane has figures in both.
    """
    before, after = _read(run_a, "RUN_A"), _read(run_b, "RUN_B")
    differing = unlike(before.header, after.header)
    if differing and not anyway:
        said = "; ".join(differing)
        raise click.UsageError(f"these runs can't be compared (or use --anyway); they differ in (A | B): {said}")
    for line in differing:
        click.echo(f"not the same in A | B: {line}", err=True)
    found = difference(before, after)
    if markdown:
        click.echo(difference_markdown(before, after, found), nl=False)
    else:
        print_difference(stdout(), before, after, found)
    if not found.entries and not found.broken:
        raise click.exceptions.Exit(2)
    raise click.exceptions.Exit(1 if found.is_worse else 0)


def _read(folder: Path, argument: str) -> Run:
    try:
        return results.read_ended(folder)
    except (OSError, results.ResultsError) as error:
        raise click.BadParameter(f"no results of a run: {error}", param_hint=f"'{argument}'") from error
