"""How the verbs print tables: as wide as the terminal, or as a page where there is none."""

from __future__ import annotations

import os
from typing import Final

from rich.console import Console

WIDTH: Final = 100
"""Columns of what is printed to something else than a terminal, unless COLUMNS says otherwise."""


def stdout() -> Console:
    """Return standard output."""
    console = Console()
    columns = os.environ.get("COLUMNS", "")
    if not console.is_terminal and not (columns.isdecimal() and int(columns)):
        console.width = WIDTH
    return console
