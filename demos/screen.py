"""How the terminal looks: values in, lines out. Nothing here reads a clock or a socket."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streamlanes.demos.reading import Phase

BARS: Final = "▁▂▃▄▅▆▇█"
FLOOR_MS: Final = 0.1
CEILING_MS: Final = 10_000.0
"""What the lowest and the highest bar stand for; between them the scale is logarithmic."""

SCALE: Final = "bars: 0.1 ms to 10 s, logarithmic"

NOTHING: Final = "-"

LEAST: Final = 26
"""Cells that a lane's column takes at least."""
LEAST_HEIGHT: Final = 18
BORDER: Final = 4
LABEL: Final = 9
WORD_LINES: Final = 4
"""Lines that are kept free at least, so that the figures stay where they are."""

COLOURS: Final = {
    Phase.CONNECTING: "yellow",
    Phase.OPEN: "green",
    Phase.WAITING: "yellow",
    Phase.ENDED: "cyan",
    Phase.FAILED: "red",
}

# What a terminal would take for a command: C0 and C1 but for the newline, DEL, and what changes the direction of text.
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePanel:
    """A lane at a moment."""

    name: str
    phase: Phase
    tail: str
    """The last of what came; may hold anything."""
    slices: Sequence[int | None]
    """Latencies in nanoseconds, the latest last."""
    events: int
    percentiles: Sequence[int] | None
    """p50 and p99, nanoseconds."""
    first_ns: int | None
    connections: int
    reconnects: int
    up: int
    down: int
    lost: int
    repeated: int
    digest: str
    words: str


@dataclass(frozen=True, slots=True)
class DemoScreen:
    """The whole of it; fits into the height that it is given."""

    title: str
    columns: Sequence[LanePanel]
    keys: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, options.height or options.max_height
        shown = self.columns[: max(width // LEAST, 1)]
        left_out = ", ".join(column.name for column in self.columns[len(shown) :])
        body = Table.grid(expand=True)
        for _ in shown:
            body.add_column(ratio=1)
        inside = width // max(len(shown), 1) - BORDER
        foot = [*wrapped(self.keys, width, console), f"too narrow for {left_out}" if left_out else SCALE]
        room = max(height - 1 - len(foot), LEAST_HEIGHT)
        body.add_row(*(panel(column, inside, room, console) for column in shown))
        yield Text(self.title, style="bold", no_wrap=True, overflow="ellipsis")
        yield body
        yield Text("\n".join(foot), style="dim", no_wrap=True, overflow="ellipsis", end="")


def panel(column: LanePanel, width: int, height: int, console: Console) -> Panel:
    """Return a lane's column; *width* is inside its border, *height* with it."""
    rows = [*figures(column)]
    words = wrapped(column.words, width, console)
    words += [""] * (WORD_LINES - len(words))
    room = max(height - 2 - 2 - len(rows) - len(words), 1)
    lines = wrapped(clean(column.tail)[-room * width :], width, console)[-room:]
    text = Text("\n".join([*lines, *[""] * (room - len(lines))]) + "\n", no_wrap=True, overflow="crop")
    text.append(f"{'latency':<{LABEL}}", style="dim")
    text.append(spark(column.slices, width - LABEL) + "\n", style="magenta")
    text.append("─" * width + "\n", style="dim")
    for label, value in rows:
        text.append(f"{label:<{LABEL}}", style="dim")
        text.append(f"{value}\n", style="" if label != "digest" else "bold")
    text.append("\n".join(words), style=f"italic {COLOURS[column.phase]}")
    return Panel(text, title=Text(f"{column.name} · {column.phase}"), border_style=COLOURS[column.phase], height=height)


def figures(column: LanePanel) -> Iterator[tuple[str, str]]:
    """Yield labels and values, which fit into 14 cells unless something is extreme."""
    yield "events", f"{column.events:,}"
    p50, p99 = column.percentiles or (None, None)
    yield "p50/p99", f"{milliseconds(p50)}/{milliseconds(p99)} ms"
    yield "first", f"{milliseconds(column.first_ns)} ms"
    yield "connects", f"{column.connections:,}"
    yield "reconn.", f"{column.reconnects:,}"
    yield "up/down", f"{kilobytes(column.up)}/{kilobytes(column.down)} KB"
    yield "lost/rep", f"{column.lost}/{column.repeated}"
    yield "digest", column.digest or NOTHING


def milliseconds(ns: int | None) -> str:
    """Write a time in three digits."""
    if ns is None:
        return NOTHING
    ms = ns / 1e6
    return f"{ms:.2f}" if ms < 9.995 else f"{ms:.1f}" if ms < 99.95 else f"{ms:,.0f}"


def kilobytes(count: int) -> str:
    """Write a number of bytes, without its unit."""
    return f"{count / 1e3:.1f}" if count < 100_000 else f"{count / 1e3:,.0f}"


def spark(slices: Sequence[int | None], width: int) -> str:
    """Draw the last *width* slices, the latest to the right."""
    recent = list(slices)[-width:] if width > 0 else []
    return "".join(" " if value is None else bar(value / 1e6) for value in recent).rjust(width)


def bar(ms: float) -> str:
    """Return the bar that stands for so many milliseconds."""
    share = math.log(max(ms, FLOOR_MS) / FLOOR_MS) / math.log(CEILING_MS / FLOOR_MS)
    return BARS[min(int(share * len(BARS)), len(BARS) - 1)]


def clean(text: str) -> str:
    """Return *text* so that a terminal shows it, and does nothing else."""
    return _CONTROLS.sub("·", text)


def wrapped(text: str, width: int, console: Console) -> list[str]:
    """Break *text* into lines of at most *width* cells, at spaces where it can."""
    return [line.plain.rstrip() for line in Text(text).wrap(console, max(width, 1))]


def summary(columns: Sequence[LanePanel], verdict: str) -> Table:
    """Return the table that is left on the terminal at the end; 80 cells wide, if names and numbers are usual."""
    table = Table(
        title=verdict, title_style="bold", title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0)
    )
    table.add_column("\nlane", no_wrap=True)
    for heading in (
        "\nevents",
        "p50\nms",
        "p99\nms",
        "first\nms",
        "\nconns",
        "re-\nconns",
        "up\nKB",
        "down\nKB",
        "lost/\nrep.",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("\ndigest", no_wrap=True)
    table.add_column("\nlast", no_wrap=True)
    for column in columns:
        table.add_row(
            column.name,
            f"{column.events:,}",
            *(milliseconds(value) for value in column.percentiles or (None, None)),
            milliseconds(column.first_ns),
            f"{column.connections:,}",
            f"{column.reconnects:,}",
            kilobytes(column.up),
            kilobytes(column.down),
            f"{column.lost}/{column.repeated}",
            column.digest or NOTHING,
            str(column.phase),
        )
    return table
