"""`results.jsonl` and what is made of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import caveats, results
from benchmarks.environment import environment
from benchmarks.processes import placement
from benchmarks.report import print_report, write_summary
from benchmarks.results import Header, Result, ResultsError, TraceInfo
from benchmarks.scenario import Load, Saturated, Scenario
from benchmarks.summarise import summarise
from tests.benchmarks.raw import write_raw


@pytest.fixture
def header() -> Header:
    return Header(
        started="2026-01-01T00:00:00+00:00",
        command="streamlanes compare --rounds 2",
        scenario=Scenario(name="tokens", lanes=("sse", "ws"), load=Load(), saturated=Saturated()),
        text_sha256=None,
        trace=TraceInfo(file="trace.csv", sha256="0", speed=10, sessions=2, skipped=3, out_of_order=1),
        sessions=2,
        events=1_100,
        duration=1.0,
        environment=environment(placement()),
    )


@pytest.fixture
def finished(tmp_path: Path) -> list[Result]:
    return [
        summarise(write_raw(tmp_path / "1", (600, 500))),
        summarise(write_raw(tmp_path / "2", (600, 500), lane="ws", offsets=range(2, 601))),
        summarise(write_raw(tmp_path / "3", (1_000,), kind="saturated")),
    ]


def printed(header: Header, finished: Sequence[Result]) -> str:
    out = io.StringIO()
    print_report(Console(file=out, width=100), header, finished, planned=4)
    return out.getvalue()


def test_round_trip(tmp_path: Path, header: Header, finished: list[Result]) -> None:
    results.create(tmp_path, header)
    for result in finished:
        results.append(tmp_path, result)
    assert results.read(tmp_path) == (header, finished)
    with pytest.raises(FileExistsError):
        results.create(tmp_path, header)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [lines[0].replace(b'"version":1', b'"version":99'), *lines[1:]], "line 1"),
        (lambda lines: [lines[0].replace(b"streamlanes.results", b"else"), *lines[1:]], "line 1"),
        (lambda lines: [*lines, b'{"trial"'], "line 3"),
        (lambda _: [], "line 1"),
    ],
)
def test_files_that_are_something_else(
    tmp_path: Path, header: Header, finished: list[Result], change: object, message: str
) -> None:
    results.create(tmp_path, header)
    results.append(tmp_path, finished[0])
    path = tmp_path / results.FILE
    assert callable(change)
    path.write_bytes(b"\n".join(change(path.read_bytes().splitlines())))
    with pytest.raises(ResultsError, match=message):
        results.read(tmp_path)


def test_terminal(header: Header, finished: list[Result]) -> None:
    text = printed(header, finished)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 100
    sse = next(line.split() for line in text.splitlines() if line.startswith(" sse"))
    assert sse == ["sse", "1", "1,100", "0/0/0", "1.00", "1.00", "1.00", "1.00", "-", "1,100", "27.3"]
    assert "1/0/0" in text
    assert "REFUSED" in text
    assert "ws, load, round 1: 1 lost (raw/2)" in text
    assert "incomplete run: 3 of 4 trials" in text
    assert "preliminary, no verdict: 1 round; 10 are needed" in text
    assert "requests without a token in the trace: 3 skipped" in text


def test_summary(tmp_path: Path, header: Header, finished: list[Result]) -> None:
    text = write_summary(tmp_path, header, finished, planned=3).read_text(encoding="utf-8")
    assert "| sse | 1 | 1,100 | 0/0/0 | 1.00 | 1.00 | 1.00 | - | 1.00 | - | 1,100 | 27.3 |" in text
    assert "| ws | 1 | 1,099 | 1/0/0 REFUSED | - | - | - | - | - | - | - | - |" in text
    assert header.command in text
    assert "incomplete" not in text


def test_caveats_have_numbers() -> None:
    (busy,) = caveats.engine_busy(95, 100, loaded=True)
    assert "95%" in busy.detail
    assert not caveats.engine_busy(90, 100, loaded=True)
    (lag,) = caveats.harness_lag(2_100_000, 400_000)
    assert lag.detail == "p99 2.10 ms against a p50 latency of 0.40 ms"
    assert not caveats.harness_lag(None, 400_000)
    (stolen,) = caveats.steal(0.02)
    assert "2.0%" in stolen.detail
    assert not caveats.steal(0.005)
    assert not caveats.steal(None)
    assert caveats.cpu(1, 400_000_000)
    assert caveats.cpu(None, 600_000_000)
    assert not caveats.cpu(1, 600_000_000)
    assert not caveats.preliminary(10)
