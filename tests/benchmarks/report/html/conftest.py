"""The page of the synthetic run, made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.report.comparison import compare
from streamlanes.benchmarks.report.html import render
from streamlanes.benchmarks.report.html.model import Report
from streamlanes.benchmarks.report.html.view import view
from tests.benchmarks.report.html import synthetic

DOUBTS = ("2 CPUs: server on CPU 0, engine on CPU 1; the system's other work shares them",)


@pytest.fixture(scope="session")
def run() -> list[Result]:
    return synthetic.results()


@pytest.fixture(scope="session")
def report(run: list[Result]) -> Report:
    return view(synthetic.header(), run, compare(run, synthetic.LANES), DOUBTS)


@pytest.fixture(scope="session")
def page(report: Report) -> str:
    return render(report)


@pytest.fixture(scope="session")
def file(page: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("html") / "report.html"
    path.write_text(page, encoding="utf-8")
    yield path
    path.unlink()
