"""The report as a page: one file of HTML that needs nothing else, and asks nothing of any network.

`model` is what the page shows, plain values; `view` makes it of a run's results; `plots` says how each figure is
drawn; `document` puts it all together with `page.html`, `page.css` and `page.js`.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamlanes.benchmarks import tables
from streamlanes.benchmarks.comparison import Comparisons
from streamlanes.benchmarks.html.document import render
from streamlanes.benchmarks.html.view import view
from streamlanes.benchmarks.results import Header, Result

__all__ = ["page", "render", "view"]


def page(header: Header, results: Sequence[Result], comparisons: Comparisons) -> str:
    """Return the report of a run as HTML."""
    return render(view(header, results, comparisons, tables.doubts(header, results)))
