"""`streamlanes report`: the results of a run, in any form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from streamlanes.benchmarks.analysis.histogram import Histogram, HistogramError
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment import results
from streamlanes.benchmarks.experiment.results import Header
from streamlanes.benchmarks.report.comparison import Comparisons
from streamlanes.benchmarks.report.exports import csv_text, junit, write_hgrm
from streamlanes.benchmarks.report.slo import check
from streamlanes.benchmarks.report.terminal import markdown, print_report
from streamlanes.benchmarks.report.verdicts import compared
from streamlanes.command.terminal import stdout

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--html", type=FILE, help="Write one self-contained page: verdicts, figures, caveats.")
@click.option("--markdown", "markdown_file", type=FILE, help="Write the tables as Markdown.")
@click.option("--csv", "csv_file", type=FILE, help="Write every figure of every trial, a line each.")
@click.option("--junit", "junit_file", type=FILE, help="Write the scenario's SLOs as test cases.")
@click.option("--hgrm", type=click.Path(path_type=Path, file_okay=False), help="Write histograms, a file each.")
@click.option("--against", metavar="LANE", help="The lane that others are compared with.  [default: the first]")
def report(
    run: Path,
    html: Path | None,
    markdown_file: Path | None,
    csv_file: Path | None,
    junit_file: Path | None,
    hgrm: Path | None,
    against: str | None,
) -> None:
    """Print the results in folder RUN, which `streamlanes compare` has left, or write them in other forms.

    Exit code: 0, or 1 with --junit if a limit of the scenario's isn't met; 2 if there are no results to read.
    """
    try:
        header, finished = results.read_ended(run)
        found = compared(header, finished, against)
    except (OSError, results.ResultsError) as error:
        raise click.BadParameter(f"no results of a run: {error}", param_hint="'RUN'") from error
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--against'") from error
    try:
        _checked(finished)
    except HistogramError as error:
        raise click.BadParameter(f"no results of a run: {error}", param_hint="'RUN'") from error
    checks = check(header.scenario.slo, finished)
    forms: list[tuple[Path | None, Callable[[], str | bytes]]] = [
        (html, lambda: _page(header, finished, found)),
        (markdown_file, lambda: markdown(header, finished, found)),
        (csv_file, lambda: csv_text(finished)),
        (junit_file, lambda: junit(header, checks)),
    ]
    for path, content in forms:
        if path is not None:
            _write(path, content())
    if hgrm is not None:
        click.echo(f"wrote {len(write_hgrm(hgrm, finished))} histograms to {hgrm}", err=True)
    if hgrm is None and not any(path for path, _ in forms):
        print_report(stdout(), header, finished, found)
    missed = [one for one in checks if one.fault] if junit_file is not None else []
    for one in missed:
        click.echo(f"{one.lane}, {one.metric}: {one.fault}", err=True)
    raise click.exceptions.Exit(1 if missed else 0)


def _checked(finished: Sequence[Result]) -> None:
    """Raise HistogramError if one of the trials' histograms is none."""
    for result in finished:
        for text in result.histograms.values():
            Histogram.decode(text)


def _page(header: Header, finished: Sequence[Result], found: Comparisons) -> str:
    from streamlanes.benchmarks.report.html import page  # plotly takes a second to load

    return page(header, finished, found)


def _write(path: Path, content: str | bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise click.UsageError(f"can't write {path}: {error.strerror}") from error
    click.echo(f"wrote {path}", err=True)
