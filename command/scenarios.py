"""`streamlanes scenarios`."""

from __future__ import annotations

import click
from rich import box
from rich.table import Table

from streamlanes.benchmarks.experiment.scenario import BUILT_IN, load, names
from streamlanes.command.terminal import stdout


@click.command()
@click.argument("name", required=False)
def scenarios(name: str | None) -> None:
    """List the scenarios, or print NAME's file, to copy and change: `streamlanes compare FILE` runs yours."""
    if name is None:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for head in ("scenario", "rounds", "what it measures"):
            table.add_column(head, no_wrap=head == "scenario")
        for known in names():
            scenario = load(BUILT_IN / f"{known}.toml")
            table.add_row(known, str(scenario.rounds()), scenario.about)
        stdout().print(table)
        return
    if name not in names():
        raise click.BadParameter(f"there is no scenario {name!r}; there are {', '.join(names())}", param_hint="'NAME'")
    click.echo((BUILT_IN / f"{name}.toml").read_text(encoding="utf-8"), nl=False)
