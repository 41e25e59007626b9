"""The page: a report's values in `page.html`, with its style, its script and plotly.js inside."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]  # plotly has no types; this is all we take

from streamlanes.benchmarks.report.html.comparing import table
from streamlanes.benchmarks.report.html.model import Report
from streamlanes.benchmarks.report.html.plots import Plot
from streamlanes.benchmarks.report.html.sections import Figure, sections
from streamlanes.benchmarks.report.html.style import Palette

_TEMPLATES: Final = Environment(
    loader=PackageLoader("streamlanes.benchmarks.report.html", "."),
    autoescape=True,
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)


def render(report: Report) -> str:
    """Return the page: one file that needs no other. Everything in *report* is text, nothing of it is markup."""
    palette = Palette(report.lanes, report.twice)
    plots: list[Plot] = []
    shown = [
        {"id": section.id, "title": section.title, "figures": [_figure(of, palette, plots) for of in section.figures]}
        for section in sections(report, palette)
    ]
    plotly, script, style = _plotly(), _file("page.js"), _file("page.css")
    return _TEMPLATES.get_template("page.html").render(
        report=report,
        policy=_policy(plotly, script),
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        plotly=Markup(plotly),  # noqa: S704 - plotly's own file
        plots=_json(plots),
        standings=[{"swatch": palette.swatch(of.lane), **dataclasses.asdict(of)} for of in report.finding.lanes],
        comparisons=[table(comparison, palette) for comparison in report.comparisons],
        sections=shown,
    )


def _figure(of: Figure, palette: Palette, plots: list[Plot]) -> dict[str, object]:
    """Return what the template wants of a figure, and add its plots to *plots*."""
    first = len(plots)
    plots += of.plots
    return {
        "title": of.title,
        "y_title": of.y_title,
        "caption": of.caption,
        "lanes": [{"name": lane, "key": palette.key(lane)} for lane in of.lanes],
        "noted": any(plot.note for plot in of.plots),
        "small": len(of.plots) > 1 or bool(of.plots[0].title),
        "scale": of.scale,
        "numbers": of.numbers,
        "plots": [
            {
                "number": number,
                "title": plot.title,
                "swatch": palette.swatch(plot.lane) if plot.lane else "",
                "note": plot.note,
                "label": plot.label,
                "height": plot.height,
            }
            for number, plot in enumerate(of.plots, start=first)
        ],
    }


def _json(plots: list[Plot]) -> Markup:
    """Return the plots as JSON that can't end the script element it stands in."""
    text = json.dumps([{"data": plot.data, "layout": plot.layout} for plot in plots], separators=(",", ":"))
    return Markup(text.replace("<", r"\u003c"))  # noqa: S704 - no "<" is left


def _policy(*scripts: str) -> str:
    """Return a content security policy that lets *scripts* run and nothing be fetched.

    Styles have no hashes: plotly.js makes style elements and attributes as it draws. Its heat maps are data: images.
    """
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


@cache
def _plotly() -> str:
    """Return plotly.js, whole: the package brings no smaller bundle, and it fits into 6 MB."""
    return str(get_plotlyjs())


def _file(name: str) -> str:
    return files("streamlanes.benchmarks.report.html").joinpath(name).read_text(encoding="utf-8")
