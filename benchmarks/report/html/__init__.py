"""The report as a page: one file of HTML that needs nothing else, and asks nothing of any network.

`model` is what the page shows, plain values; `view` makes it of a run's results; `plots` says how each figure is
drawn; `document` puts it all together with `page.html`, `page.css` and `page.js`.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment.results import Header
from streamlanes.benchmarks.report import tables
from streamlanes.benchmarks.report.comparison import Comparisons
from streamlanes.benchmarks.report.html.document import render
from streamlanes.benchmarks.report.html.view import view

__all__ = ["page", "render", "view"]


def page(header: Header, results: Sequence[Result], comparisons: Comparisons) -> str:
    """Return the report of a run as HTML."""
    return render(view(header, results, comparisons, tables.doubts(header, results)))
