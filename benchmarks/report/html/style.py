"""How all figures look: the lanes' colours, dashes and symbols, axes and layout.

Colours are names of the stylesheet's custom properties, `var(--name)`: the page's script puts in the theme's values, so
that figures and text have one palette. Lines differ in their dashes too, which nobody needs colours to tell apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from markupsafe import Markup

from streamlanes.producers.events import JSON

COLOURS: Final = 8
DASHES: Final = ("solid", "dash", "dot", "dashdot", "longdash")
_KEYS: Final = ("none", "7 4.5", "2.5 2.5", "7 3 2.5 3", "11 4")
"""The same dashes in SVG."""
SYMBOLS: Final = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon", "star", "hexagon")

_AXIS: Final[Mapping[str, JSON]] = {
    "automargin": True,
    "color": "var(--muted)",
    "fixedrange": True,
    "gridcolor": "var(--grid)",
    "linecolor": "var(--rule)",
    "tickfont": {"size": 12},
    "ticks": "outside",
    "tickcolor": "var(--rule)",
    "ticklen": 4,
    "title": {"standoff": 8, "font": {"size": 13}},
    "zeroline": False,
}


class Palette:
    """Gives each lane its colour, dash and symbol, the same all over the page."""

    def __init__(self, lanes: Sequence[str], twice: Mapping[str, str]) -> None:
        self._place = {lane: place for place, lane in enumerate(lanes)}
        self._twice = twice

    def number(self, lane: str) -> int:
        """Return the number of the lane's colour in the stylesheet, from 1; a lane that ran again keeps its own."""
        return self._first(lane) % COLOURS + 1

    def swatch(self, lane: str) -> Markup:
        """Return a square in the lane's colour, hollow if the lane ran again."""
        hollow = " hollow" if lane in self._twice else ""
        return Markup('<span class="swatch lane-{}{}"></span>').format(self.number(lane), hollow)

    def colour(self, lane: str) -> str:
        """Return the lane's colour."""
        return f"var(--lane-{self.number(lane)})"

    def line(self, lane: str) -> Mapping[str, JSON]:
        """Return how the lane's lines are drawn."""
        return {"color": self.colour(lane), "width": 2, "dash": DASHES[self._dash(lane)]}

    def key(self, lane: str) -> Markup:
        """Return a short piece of the lane's line, for a legend."""
        return Markup(
            '<svg class="lane-{}" viewBox="0 0 30 12" aria-hidden="true">'
            '<line x1="0" x2="30" y1="6" y2="6" stroke-dasharray="{}"/></svg>'
        ).format(self.number(lane), _KEYS[self._dash(lane)])

    def symbol(self, lane: str) -> str:
        """Return the shape of the lane's points."""
        return SYMBOLS[self._first(lane) % len(SYMBOLS)]

    def _dash(self, lane: str) -> int:
        return (self._first(lane) + 2 * (lane in self._twice)) % len(DASHES)

    def _first(self, lane: str) -> int:
        return self._place.get(self._twice.get(lane, lane), self._place[lane])


def axis(title: str, **options: JSON) -> dict[str, JSON]:
    """Return an axis in the page's style, with *options* of plotly's."""
    made = dict(_AXIS)
    if title:
        made["title"] = {"text": escape(title), "standoff": 8, "font": {"size": 13}}
    return made | options


def log_axis(values: Sequence[Sequence[float]], title: str = "") -> dict[str, JSON]:
    """Return a logarithmic axis around *values*, with as many labels as there is room for."""
    positive = [value for some in values for value in some if value > 0] or [1.0, 10.0]
    low, high = math.log10(min(positive)), math.log10(max(positive))
    pad = max(0.05, (high - low) * 0.05)
    ticks = _one_two_five(low - pad, high + pad)
    return axis(
        title, type="log", range=[low - pad, high + pad], tickmode="array", tickvals=ticks,
        ticktext=[f"{tick:,.12g}" for tick in ticks],
    )  # fmt: skip


def _one_two_five(low: float, high: float) -> list[float]:
    """Return 1, 2, 5, 10, 20 … between the powers of ten, or the powers alone if they are many."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    steps = (1, 2, 5) if high - low < 2.5 else (1,)
    return [step * 10.0**decade for decade in decades for step in steps if low <= math.log10(step) + decade <= high]


def layout_of(x: Mapping[str, JSON], y: Mapping[str, JSON], *marks: tuple[JSON, JSON]) -> Mapping[str, JSON]:
    """Return a drawing's layout, with *marks* of `vertical`."""
    return {
        "annotations": [annotation for annotation, _ in marks],
        "font": {"color": "var(--ink)", "size": 13},
        "hoverlabel": {
            "bgcolor": "var(--raised)", "bordercolor": "var(--rule)", "font": {"color": "var(--ink)", "size": 13},
        },
        "hovermode": "closest",
        "margin": {"l": 8, "r": 12, "t": 16, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "shapes": [shape for _, shape in marks],
        "showlegend": False,
        "xaxis": x,
        "yaxis": y,
    }  # fmt: skip


def vertical(x: float, text: str, *, log: bool = False, strong: bool = False) -> tuple[JSON, JSON]:
    """Return a line from top to bottom and its label."""
    annotation: JSON = {
        # plotly.js wants the logarithm here if the axis is logarithmic, and not so in shapes.
        "x": math.log10(x) if log else x,
        "y": 1, "yref": "paper", "yanchor": "bottom", "text": escape(text), "showarrow": False,
        "font": {"size": 11, "color": "var(--muted)"},
    }  # fmt: skip
    shape: JSON = {
        "type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper",
        "line": {"color": "var(--alarm)" if strong else "var(--muted)", "width": 1, "dash": "dot"},
    }  # fmt: skip
    return annotation, shape
