"""How the verbs print tables: as wide as the terminal, or as a page where there is none."""

from __future__ import annotations

import os
from typing import Final

from rich.console import Console

from streamlanes.command.output import discard_output

WIDTH: Final = 100
"""Columns of what is printed to something else than a terminal, unless COLUMNS says otherwise."""


class _Output(Console):
    def on_broken_pipe(self) -> None:
        """Go on without a reader, who has seen enough: what the verb comes to isn't for that to say."""
        discard_output()
        self.quiet = True


def stdout() -> Console:
    """Return standard output."""
    console = _Output()
    columns = os.environ.get("COLUMNS", "")
    if not console.is_terminal and not (columns.isdecimal() and int(columns)):
        console.width = WIDTH
    return console
