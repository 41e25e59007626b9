"""From `results.jsonl` to what people read: the terminal's tables and `summary.md`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment.results import Header
from streamlanes.benchmarks.machine.environment import Environment
from streamlanes.benchmarks.report import tables
from streamlanes.benchmarks.report.comparison import Comparisons
from streamlanes.benchmarks.report.tables import Table
from streamlanes.benchmarks.report.verdicts import comparison_table
from streamlanes.benchmarks.trial.target import TargetInfo


def print_report(console: Console, header: Header, results: Sequence[Result], found: Comparisons) -> None:
    """Print the tables, what was refused, and the caveats. Reads well from 80 columns on, and without colours."""
    for table in _tables(header, results, found):
        console.print()
        console.print(rich_table(table))
        for note in table.notes:
            console.print(note, style="dim", highlight=False, markup=False)
    refused = tables.refusals(results)
    if refused:
        console.print("\nRefused, and so without figures:", style="bold red")
        _bullets(console, refused)
    console.print("\nCaveats:", style="bold")
    _bullets(console, tables.doubts(header, results))


def _tables(header: Header, results: Sequence[Result], found: Comparisons) -> list[Table]:
    against = comparison_table(found)
    return [*tables.tables(header, results), *([] if against is None else [against])]


def markdown(header: Header, results: Sequence[Result], found: Comparisons) -> str:
    """Return the whole report in Markdown."""
    sections = [f"# {plain(header.scenario.name)}, {plain(header.started)}"]
    for table in _tables(header, results, found):
        sections += [f"## {plain(table.title)}", markdown_table(table), markdown_list(table.notes)]
    refused = tables.refusals(results)
    if refused:
        sections += ["## Refused, and so without figures", markdown_list(refused)]
    sections += [
        "Histograms are merged over trials, percentiles never averaged.",
        "## Caveats",
        markdown_list(tables.doubts(header, results)),
        "## Environment",
        markdown_list([*_target(header.target), *_environment(header.environment)]),
        "## Again",
        (
            f"Seed {header.scenario.seed}. The scenario as it was run, and the whole environment, are the first line "
            "of `results.jsonl`; `raw/` has each trial's records and journals."
        ),
        _fenced(header.command),
    ]
    return "\n\n".join(sections) + "\n"


def rich_table(table: Table) -> RichTable:
    """Return *table* for the terminal."""
    rich = RichTable(
        title=Text(table.title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for name in table.head:
        # Another package's lane may have a long name; that alone may be broken.
        lane = name == table.head[0]
        rich.add_column(Text(name), justify="left" if lane else "right", overflow="fold", no_wrap=not lane)
    for row in table.rows:
        rich.add_row(*map(Text, row))  # and not as rich's markup
    return rich


def _bullets(console: Console, lines: Sequence[str]) -> None:
    for line in lines:
        console.print(f"- {line}", highlight=False, markup=False)


def markdown_table(table: Table) -> str:
    """Return *table* in Markdown, without its title and notes."""
    head = [plain(name) for name in table.head]
    rows = [[plain(cell) for cell in row] for row in table.rows]
    rule = ["---", *["---:"] * (len(table.head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def markdown_list(lines: Sequence[str]) -> str:
    """Return *lines* as a list in Markdown."""
    return "\n".join(f"- {plain(line)}" for line in lines)


def plain(text: str) -> str:
    """Return *text* for Markdown, on a line: no HTML, no links, no end of a table's cell."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")
    return re.sub(r"([\\|`\[\]])", r"\\\1", text)


def _fenced(text: str) -> str:
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{text}\n{fence}"


def _target(target: TargetInfo | None) -> list[str]:
    if target is None:
        return []
    return [f"target {target.url}: {target.status}, server {target.server or 'unknown'}; what follows is the engine's"]


def _environment(environment: Environment) -> list[str]:
    packages = ("aiohttp", "fastapi", "httptools", "sse-starlette", "starlette", "uvicorn", "uvloop", "websockets")
    return [
        (
            f"{environment.cpu}, {environment.cpus} CPUs usable, governor {environment.governor}, "
            f"clock {environment.clock_source}, {environment.kernel}"
        ),
        f"{environment.python}, event loop {environment.event_loop}; {environment.http}",
        ", ".join(f"{name} {environment.packages.get(name, 'unknown')}" for name in packages),
        f"{environment.connections}; congestion control {environment.sysctls['net.ipv4.tcp_congestion_control']}",
        f"boot {environment.boot_id}, {environment.time_namespace}",
    ]
