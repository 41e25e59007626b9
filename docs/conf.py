"""The docs site: the pages as they stand in `docs/`, and the API from docstrings. Any warning is an error."""

import streamlanes.benchmarks.experiment.run
import streamlanes.benchmarks.report.verdicts
import streamlanes.clients
import streamlanes.transports  # noqa: F401 - before autodoc does it with TYPE_CHECKING set, which pydantic doesn't stand

project = "streamlanes"
author = "the streamlanes maintainers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["results"]
html_theme = "furo"
html_title = "streamlanes"
html_static_path: list[str] = []

myst_heading_anchors = 3
# Links out of docs/, and anchors, are checked by tests/project/test_docs.py.
suppress_warnings = ["myst.xref_missing", "myst.header", "ref.python"]

default_role = "code"  # docstrings have names in single backticks
autodoc_typehints = "description"
autodoc_default_options = {"members": True, "undoc-members": False, "member-order": "bysource"}
autodoc_preserve_defaults = True
