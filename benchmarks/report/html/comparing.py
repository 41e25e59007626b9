"""The comparison's table: what the template shows of it, with each interval drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from streamlanes.benchmarks.report.html.model import ComparisonRow, ComparisonTable, Group, Ratio
from streamlanes.benchmarks.report.html.numbers import times
from streamlanes.benchmarks.report.html.style import Palette

WIDTH: Final = 320.0
NARROWEST: Final = math.log(1.25)
"""A drawing reaches at least from 0.8 to 1.25, lest a hundredth look like much."""
WIDEST: Final = math.log(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A lane's row, as text."""

    lane: str
    swatch: Markup
    median: str
    ratio: str
    interval: str
    drawing: Markup
    judgement: str
    remark: str


def table(comparison: ComparisonTable, palette: Palette) -> dict[str, object]:
    """Return what the template wants of a comparison."""
    return {
        "title": comparison.title,
        "baseline": comparison.baseline,
        "folded": comparison.folded,
        "groups": [
            {
                "title": group.title,
                "unit": group.unit,
                "better": group.better,
                "meaning": group.meaning,
                "rows": [_line(row, group, palette) for row in group.rows],
            }
            for group in comparison.groups
        ],
    }


def _line(row: ComparisonRow, group: Group, palette: Palette) -> Line:
    ratio = row.ratio
    interval = "" if ratio is None or ratio.low is None or ratio.high is None else _interval(ratio.low, ratio.high)
    return Line(
        lane=row.lane,
        swatch=palette.swatch(row.lane),
        median=row.median,
        ratio="" if ratio is None else times(ratio.mid),
        interval=interval,
        drawing=_forest(group, ratio, palette.number(row.lane)),
        judgement=row.judgement or "",
        remark=row.remark,
    )


def _interval(low: float, high: float) -> str:
    return f"{times(low)} – {times(high)}"  # noqa: RUF001 - a dash between numbers


def _forest(group: Group, ratio: Ratio | None, colour: int) -> Markup:
    """Draw the interval of *ratio* beside 1 and the margin, on a logarithmic scale that the group shares."""
    half = _half(group)
    margin = math.log1p(group.margin)
    left, right = _x(-margin, half), _x(margin, half)
    drawn = Markup('<rect class="band" x="{}" y="0" width="{}" height="20"/>').format(left, round(right - left, 1))
    drawn += Markup('<line class="one" x1="{0}" x2="{0}" y1="0" y2="20"/>').format(WIDTH / 2)
    if ratio is not None:
        low, high = _ends(ratio)
        drawn += Markup('<line class="interval" x1="{}" x2="{}" y1="10" y2="10"/>').format(
            _x(low, half), _x(high, half)
        )
        drawn += Markup('<circle class="mid" cx="{}" cy="10" r="4"/>').format(_x(math.log(ratio.mid), half))
    return Markup(
        '<svg class="lane-{}" viewBox="0 0 320 20" preserveAspectRatio="xMidYMid meet" aria-hidden="true">{}</svg>'
    ).format(colour, drawn)


def _half(group: Group) -> float:
    """Return the logarithm at the drawing's right end; at its left is the negative of it."""
    ends = [abs(end) for row in group.rows if row.ratio is not None for end in _ends(row.ratio)]
    return min(WIDEST, max([NARROWEST, *ends]) * 1.05)


def _ends(ratio: Ratio) -> tuple[float, float]:
    """Return the ends of the interval as logarithms, of which either may be infinite."""
    low, high = ratio.mid if ratio.low is None else ratio.low, ratio.mid if ratio.high is None else ratio.high
    return math.log(low) if low > 0 else -math.inf, math.log(high)


def _x(logarithm: float, half: float) -> float:
    return round((max(-1.0, min(1.0, logarithm / half)) + 1) * WIDTH / 2, 1)
