"""How the figures are drawn: from the page's values to what plotly.js takes (https://plotly.com/javascript/reference/)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from streamlanes.benchmarks.report.html.model import Bar, Cost, Curve, HeatMap, RecoveryTimeline, Spread, Sweep
from streamlanes.benchmarks.report.html.numbers import number, percentile, short
from streamlanes.benchmarks.report.html.style import Palette, axis, layout_of, log_axis, vertical
from streamlanes.producers.events import JSON

NINES: Final = (50.0, 90.0, 99.0, 99.9, 99.99, 99.999)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One drawing of a figure: what plotly draws, and the same for those who don't see it."""

    title: str
    """Title of a small multiple; empty if the figure has one drawing."""
    label: str
    """The main finding, in words."""
    height: int
    """Pixels."""
    data: Sequence[Mapping[str, JSON]]
    layout: Mapping[str, JSON]
    lane: str = ""
    """Whose it is, if the title is a lane."""
    note: str = ""
    """What is shown, where the title doesn't say all."""


def spectrum(spread: Spread, palette: Palette) -> Plot:
    """Return latency by percentile, on a scale on which each nine takes as much room as the one before."""
    deepest = max(line.x[-1] for line in spread.spectrum)
    ticks = [at for at in NINES if at <= deepest] or [deepest]
    data = [
        _trace(line, palette, "p%{customdata}: %{y:,.3~g} ms")
        | {"x": [short(_nines(at)) for at in line.x], "customdata": [short(at) for at in line.x]}
        for line in spread.spectrum
    ]
    x = axis(
        "percentile",
        tickmode="array",
        tickvals=[_nines(at) for at in ticks],
        ticktext=[f"{at:g}" for at in ticks],
        range=[0, _nines(deepest) * 1.02],
    )
    y = log_axis([line.y for line in spread.spectrum])
    best = _at_common_percentile(spread.spectrum)
    label = f"Latency by percentile. {best}"
    return Plot(
        title="",
        label=label,
        height=420,
        data=data,
        layout=layout_of(x, y),
    )


def ecdf(spread: Spread, palette: Palette) -> Plot:
    """Return the share of deliveries that took no longer than a time."""
    data = [_trace(line, palette, "%{y:.1%} within %{x:,.3~g} ms") for line in spread.ecdf]
    x = log_axis([line.x for line in spread.ecdf], "latency, ms")
    y = axis("", range=[0, 1.01], tickformat=".0%", nticks=6)
    late = spread.deadline_ms
    seen = late is not None and late <= max(line.x[-1] for line in spread.ecdf)
    marks = [vertical(late, "deadline", log=True)] if late is not None and seen else []
    halves = [f"{line.lane} {number(_half(line))} ms" for line in spread.ecdf]
    label = f"Share of deliveries by latency. Half of all were within: {', '.join(halves)}."
    return Plot(title="", label=label, height=380, data=data, layout=layout_of(x, y, *marks))


def sweep(of: Sweep, palette: Palette) -> Plot:
    """Return latency against load; at the top, the loads that a lane did not keep up with."""
    kept = [_trace(line, palette, "%{x:,.4~g}: %{y:,.3~g} ms", mode="lines+markers") for line in of.lines]
    over: list[Mapping[str, JSON]] = [
        {
            "type": "scatter", "mode": "markers", "name": escape(line.lane), "meta": line.lane,
            "x": [short(x) for x in line.x], "y": [row] * len(line.x), "yaxis": "y2",
            "marker": {"symbol": "x-thin", "size": 8, "line": {"width": 2, "color": palette.colour(line.lane)}},
            "hovertemplate": "%{x:,.4~g}: overloaded<extra>%{fullData.name}</extra>",
        }
        for row, line in enumerate(of.overloaded)
    ]  # fmt: skip
    rings: list[Mapping[str, JSON]] = [
        {
            "type": "scatter", "mode": "markers", "name": escape(lane), "meta": lane,
            "x": [short(knee)], "y": [_y_at(of.lines, lane, knee)],
            "marker": {"symbol": "circle-open", "size": 16, "line": {"width": 2}, "color": palette.colour(lane)},
            "hovertemplate": "knee: %{x:,.4~g}<extra>%{fullData.name}</extra>",
        }
        for lane, knee in of.knees
    ]  # fmt: skip
    loads = [line.x for line in (*of.lines, *of.overloaded)]
    strip = min(0.25, 0.05 * len(over))
    y = dict(log_axis([line.y for line in of.lines])) | {"domain": [0, 1 - strip - 0.02 * bool(over)]}
    layout = dict(layout_of(log_axis(loads, of.x_title) | {"showgrid": False}, y))
    if over:
        layout["yaxis2"] = {
            "domain": [1 - strip, 1],
            "range": [len(over) - 0.4, -0.6],
            "fixedrange": True,
            "showticklabels": False,
            "showgrid": False,
            "zeroline": False,
        }
        layout["annotations"] = [
            {
                "text": "overloaded", "x": 0, "xref": "paper", "xanchor": "left", "y": 1 - strip / 2, "yref": "paper",
                "yanchor": "middle", "showarrow": False, "font": {"size": 12, "color": "var(--muted)"},
            }
        ]  # fmt: skip
    knees = [f"{lane} up to {number(knee)}" for lane, knee in of.knees]
    label = f"{of.y_title} against {of.x_title}. Lanes kept up: {', '.join(knees) or 'all, at every load tried'}."
    return Plot(title="", label=label, height=420, data=[*kept, *rings, *over], layout=layout)


def heat(of: HeatMap, brightest: int, low: int, high: int) -> Plot:
    """Return one lane's latency over time; *brightest* is the count that has the strongest colour.

    *low* and *high*: the first edge that is shown and the last.
    """
    edges, values = of.heat.seconds, of.heat.milliseconds
    cells = [[math.log10(count) if count else None for count in column] for column in zip(*of.heat.counts, strict=True)]
    trace: dict[str, JSON] = {
        "type": "heatmap", "x": [short(edge) for edge in edges], "y": [short(edge) for edge in values[low : high + 1]],
        "z": [[None if cell is None else round(cell, 2) for cell in row] for row in cells[low:high]],
        "zmin": 0, "zmax": max(1.0, math.log10(brightest)), "showscale": False, "hoverongaps": False,
        "colorscale": [[step / 4, f"var(--heat-{step})"] for step in range(5)],
        "hovertemplate": "%{x:.3~g} s, %{y:,.3~g} ms<extra></extra>",
    }  # fmt: skip
    worst = f"{number(values[low])} to {number(values[high])} ms"
    label = f"{of.lane}: latency over time, from {worst} in {number(edges[-1] - edges[0])} s."
    y = log_axis([[values[low], values[high]]]) | {"range": [math.log10(values[low]), math.log10(values[high])]}
    x = axis("seconds", range=[edges[0], edges[-1]], showgrid=False, nticks=6)
    return Plot(title=of.lane, lane=of.lane, label=label, height=220, data=[trace], layout=layout_of(x, y))


def _told(bar: Bar) -> str:
    return f"{number(bar.value)}, {bar.note}" if bar.note else number(bar.value)


def cost(of: Cost, palette: Palette) -> Plot:
    """Return one cost as bars, with the range over rounds."""
    trace: dict[str, JSON] = {
        "type": "bar", "orientation": "h",
        "y": [escape(bar.lane) for bar in of.bars], "x": [short(bar.value) for bar in of.bars],
        "marker": {"color": [palette.colour(bar.lane) for bar in of.bars]},
        "error_x": {
            "type": "data", "symmetric": False, "color": "var(--ink)", "thickness": 1.2, "width": 3,
            "array": [short(bar.high - bar.value) for bar in of.bars],
            "arrayminus": [short(bar.value - bar.low) for bar in of.bars],
        },
        "hovertemplate": "%{y}: %{x:,.3~g} " + escape(of.unit) + "<extra></extra>",
    }  # fmt: skip
    highest = max(bar.high for bar in of.bars) or 1.0
    # The figure stands to the right of the range, where the eye looks for it; the axis isn't needed then.
    values: list[Mapping[str, JSON]] = [
        {
            "x": short(bar.high), "y": escape(bar.lane), "text": _told(bar), "xanchor": "left", "xshift": 6,
            "showarrow": False, "font": {"color": "var(--ink)", "size": 12},
        }
        for bar in of.bars
    ]  # fmt: skip
    x = axis(
        "",
        range=[0, highest * (1.45 if any(bar.note for bar in of.bars) else 1.22)],
        showticklabels=False,
        ticks="",
        showgrid=False,
    )
    y = axis("", autorange="reversed", ticks="", type="category", showgrid=False, automargin=True)
    least = min(of.bars, key=lambda bar: bar.value)
    label = f"{of.title}, {of.unit}: {', '.join(f'{bar.lane} {_told(bar)}' for bar in of.bars)}; least {least.lane}."
    layout: dict[str, JSON] = dict(layout_of(x, y)) | {"annotations": values, "bargap": 0.35, "hovermode": "closest"}
    return Plot(
        title=f"{of.title}, {of.unit}",
        note=of.meaning,
        label=label,
        height=28 * len(of.bars) + 24,
        data=[trace],
        layout=layout,
    )


def recovery(of: RecoveryTimeline, palette: Palette, faults: Mapping[str, int], most: float) -> Plot:
    """Return deliveries per second, reconnects below them, and the faults by their numbers; *most*: the axis' end."""
    line = of.timeline
    at = [short(line.seconds * (place + 0.5)) for place in range(len(line.delivered))]
    colour = palette.colour(of.lane)
    data: list[Mapping[str, JSON]] = [
        {
            "type": "scatter", "mode": "lines", "x": at, "y": [short(n / line.seconds) for n in line.delivered],
            "line": {"color": colour, "width": 1.6, "shape": "hvh"}, "fill": "tozeroy", "fillcolor": "var(--fill)",
            "hovertemplate": "%{y:,.3~g} deliveries/s<extra></extra>",
        },
        {
            "type": "bar", "x": at, "y": list(line.reconnects), "yaxis": "y2", "marker": {"color": "var(--ink)"},
            "width": line.seconds, "hovertemplate": "%{y} reconnects<extra></extra>",
        },
    ]  # fmt: skip
    marks = [vertical(when, str(faults[what]), strong=True) for when, what in line.faults]
    x = axis("seconds", range=[0, line.seconds * len(line.delivered)], showgrid=False)
    y = axis("", range=[0, most * 1.05], nticks=4, tickformat=",", domain=[0.34, 1])
    y2 = axis("", nticks=3, domain=[0, 0.22], rangemode="tozero")
    layout = dict(layout_of(x | {"anchor": "y2"}, y, *marks)) | {"yaxis2": y2, "hovermode": "x unified"}
    label = (
        f"{of.lane}: {sum(line.delivered):,} deliveries and {sum(line.reconnects):,} reconnects over "
        f"{number(line.seconds * len(line.delivered))} s with {len(line.faults)} faults."
    )
    return Plot(title=of.lane, lane=of.lane, label=label, height=230, data=data, layout=layout)


def _trace(line: Curve, palette: Palette, hover: str, mode: str = "lines") -> dict[str, JSON]:
    return {
        "type": "scatter",
        "mode": mode,
        "name": escape(line.lane),
        "meta": line.lane,
        "x": [short(x) for x in line.x],
        "y": [short(y) for y in line.y],
        "line": palette.line(line.lane),
        "marker": {"symbol": palette.symbol(line.lane), "size": 7, "color": palette.colour(line.lane)},
        "hovertemplate": f"{hover}<extra>%{{fullData.name}}</extra>",
    }


def _nines(at: float) -> float:
    """Return how many nines a percentile has: 1 for 90, 2 for 99, 0.3 for 50."""
    return -math.log10(1 - at / 100)


def _half(line: Curve) -> float:
    return next((x for x, y in zip(line.x, line.y, strict=True) if y >= 0.5), line.x[-1])


def _y_at(lines: Sequence[Curve], lane: str, x: float) -> float | None:
    return next(
        (short(y) for line in lines if line.lane == lane for at, y in zip(line.x, line.y, strict=True) if at == x), None
    )


def _at_common_percentile(lines: Sequence[Curve]) -> str:
    """Say what the lanes had at the highest printed percentile that all of them support."""
    shared = min(line.x[-1] for line in lines)
    at = max((tick for tick in NINES if tick <= shared), default=shared)
    values = {
        line.lane: next(y for x, y in zip(line.x, line.y, strict=True) if x >= at or x == line.x[-1]) for line in lines
    }
    return f"At {percentile(at)}: {', '.join(f'{lane} {number(value)} ms' for lane, value in values.items())}."
