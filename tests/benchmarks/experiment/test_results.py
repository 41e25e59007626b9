"""`results.jsonl`: append-only, so that it may end anywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from streamlanes.benchmarks.experiment import results
from streamlanes.benchmarks.experiment.results import ResultsError
from streamlanes.benchmarks.report.terminal import markdown
from streamlanes.benchmarks.report.verdicts import compared
from tests.benchmarks.synthetic import header, run


def test_a_line_that_was_torn_is_no_trial(tmp_path: Path) -> None:
    head, [first, second, *_] = header("sse", "ws"), run({"sse": 1.0, "ws": 2.0})
    results.create(tmp_path, head)
    results.append(tmp_path, first)
    whole = (path := tmp_path / results.FILE).read_bytes()
    results.append(tmp_path, second)
    both = path.read_bytes()
    assert len(results.read(tmp_path).results) == 2
    for end in (*range(len(whole), len(whole) + 40), *range(len(both) - 40, len(both))):
        path.write_bytes(both[:end])
        assert [result.trial for result in results.read(tmp_path).results] == [first.trial]
    found = results.read_ended(tmp_path)
    assert "incomplete run" in markdown(found.header, found.results, compared(found.header, found.results))


def test_without_a_whole_trial_it_says_so(tmp_path: Path) -> None:
    head = header("sse")
    results.create(tmp_path, head)
    path = tmp_path / results.FILE
    whole = path.read_bytes()
    for content in (b"", whole[:50], whole[:-1]):
        path.write_bytes(content)
        with pytest.raises(ResultsError, match="line 1"):
            results.read_ended(tmp_path)
    path.write_bytes(whole + b'{"trial"')
    with pytest.raises(ResultsError, match="none of its trials had ended"):
        results.read_ended(tmp_path)


def test_a_trial_stands_there_once(tmp_path: Path) -> None:
    results.create(tmp_path, header("sse"))
    (only,) = run({"sse": 1.0}, rounds=1)
    results.append(tmp_path, only)
    results.append(tmp_path, only)
    with pytest.raises(ResultsError, match=f"line 3: trial {only.trial} stands there twice"):
        results.read(tmp_path)


def test_a_scenario_that_is_none_is_said(tmp_path: Path) -> None:
    head = header("sse")
    results.create(tmp_path, replace(head, scenario=replace(head.scenario, parts={"load": {"a": 1}})))
    with pytest.raises(ResultsError, match="line 1: the scenario"):
        results.read(tmp_path)


def test_what_is_wrong_within_is_not_passed_over(tmp_path: Path) -> None:
    results.create(tmp_path, header("sse"))
    with (tmp_path / results.FILE).open("ab") as file:
        file.write(b'{"trial"\n')
    with pytest.raises(ResultsError, match="line 2"):
        results.read(tmp_path)
