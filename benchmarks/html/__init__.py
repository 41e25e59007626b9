"""The report as a page: one file of HTML that needs nothing else, and asks nothing of any network.

`model` is what the page shows, plain values; `view` makes it of a run's results; `plots` says how each figure is
drawn; `page` puts it all together with `page.html`, `page.css` and `page.js`.
"""

from __future__ import annotations

from benchmarks.html.page import render

__all__ = ["render"]
