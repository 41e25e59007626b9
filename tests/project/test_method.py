"""What docs/method.md tells to redo by hand comes out as the harness has it, and what it names is there."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from streamlanes.benchmarks.experiment import results
from streamlanes.benchmarks.experiment.summarise import summarise
from streamlanes.benchmarks.report.comparison import compare
from streamlanes.benchmarks.spec.records import pack, read_engines, write_record
from tests.benchmarks import synthetic
from tests.benchmarks.raw import MS, write_raw

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
TRIAL, RATIO = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def redo(snippet: str, placeholder: str, folder: Path) -> str:
    """Run *snippet* on the files in *folder*, and return what it prints."""
    assert snippet.count(placeholder) == 1
    printed: list[str] = []
    source = snippet.replace(placeholder, str(folder))
    exec(compile(source, "method.md", "exec"), {"print": printed.append})
    return "".join(printed)


def spread(folder: Path) -> None:
    """Make the trial's latencies differ, as real ones do."""
    random_ = random.Random(1)
    ((engine, (column,)),) = read_engines(folder)
    latest = 0
    for place, at in enumerate(column.received):
        latest = column.received[place] = max(latest, at + round(random_.lognormvariate(0, 0.5) * MS))
    write_record(folder, 0, pack(engine, [column]))


@pytest.mark.parametrize("warm_up", [0.0, 0.5])
def test_a_trials_latency_and_cost(tmp_path: Path, warm_up: float) -> None:
    folder = write_raw(tmp_path / "trial", streams=(2_000,), kind="broadcast", warm_up=warm_up)
    spread(folder)
    figures = summarise(folder).figures
    told = redo(TRIAL, "results/RUN/raw/TRIAL", folder)
    found = re.fullmatch(r"p50 (.+) ms, p99 (.+) ms, server (.+) µs/event, (\d+) deliveries", told)
    assert found is not None
    assert figures["latency_p99_ms"] > 1.5 * figures["latency_p50_ms"]
    assert float(found[1]) == pytest.approx(figures["latency_p50_ms"], rel=0.001)
    assert float(found[2]) == pytest.approx(figures["latency_p99_ms"], rel=0.001)
    assert float(found[3]) == pytest.approx(figures["server_us_per_event"], abs=0.05)
    assert int(found[4]) == 2_000 - (501 if warm_up else 0)


def test_a_ratio_and_its_interval(tmp_path: Path) -> None:
    metric = "server_us_per_event"
    run = synthetic.run({"sse": 80.0, "ws": 100.0}, metrics=[metric])
    results.create(tmp_path, synthetic.header())
    for result in run:
        results.append(tmp_path, result)
    (entry,) = compare(run, ["sse", "ws"], metrics=[metric]).entries
    assert redo(RATIO, "results/RUN", tmp_path) == f"x{entry.ratio:.3f}, {entry.low:.3f} to {entry.high:.3f}"


def test_the_files_that_it_names_are_there() -> None:
    named = set(re.findall(r"`([\w/]+\.py|[a-z_/]+/)`", PAGE))
    assert len(named) > 15
    homes = [ROOT, ROOT / "benchmarks"]
    assert not [name for name in named if not any((home / name).exists() for home in homes)]
