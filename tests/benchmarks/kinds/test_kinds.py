"""Kinds of trials are found, and have what reports and runs want of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamlanes.benchmarks import kinds
from streamlanes.benchmarks.experiment import scenario
from streamlanes.benchmarks.experiment.scenario import BUILT_IN, Setting, load, names
from streamlanes.benchmarks.experiment.summarise import summarise
from streamlanes.benchmarks.spec.metrics import METRICS
from tests.benchmarks.raw import write_raw

MODULES = {path.stem for path in Path(kinds.__path__[0]).glob("*.py")} - {"__init__"}


def test_every_module_with_a_kind_is_found() -> None:
    found = kinds.discover()
    assert {"load", "saturated", "rtt", "broadcast"} <= found.keys() <= MODULES
    assert all(kind.name == name for name, kind in found.items())


def test_a_kind_in_a_file_of_its_own_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """One file: its table in scenarios, its trials and their figures."""
    source = Path(kinds.__path__[0], "saturated.py").read_text(encoding="utf-8")
    (tmp_path / "another.py").write_text(source.replace('"saturated"', '"another"'), encoding="utf-8")
    (tmp_path / "shared.py").write_text('"""No kind."""\n', encoding="utf-8")
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(tmp_path)])
    for known in (kinds.discover, scenario._adapters):
        known.cache_clear()
        request.addfinalizer(known.cache_clear)
    assert "another" in kinds.discover()
    assert "shared" not in kinds.discover()
    path = tmp_path / "mine.toml"
    path.write_text("[another]\nevents = 100\n")
    (workload,) = load(path).part("another").workloads(seed=1, round_number=1)
    assert workload.kind == "another"
    assert summarise(write_raw(tmp_path / "trial", (100,), kind="another")).figures["rate"] == pytest.approx(100)


@pytest.mark.parametrize("name", sorted(kinds.discover()))
def test_tables_are_of_metrics_that_there_are(name: str) -> None:
    tables = kinds.discover()[name].tables
    assert tables
    assert {metric for table in tables for metric in table} <= METRICS.keys()


def test_metrics_say_what_they_are() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.title
        assert metric.meaning
    assert METRICS["latency_p999_ms"].histogram == ("latency", 99.9)
    assert METRICS["latency_max_ms"].title == "max"
    assert METRICS["lag_p99_ms"].title == "lag p99"
    assert {METRICS[name].better for name in ("rate", "goodput", "in_time")} == {"higher"}


@pytest.mark.parametrize("name", sorted(kinds.discover()))
def test_the_same_seed_and_round_give_the_same_trials(name: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"[{name}]\n")
    part = load(path).part(name)
    assert part.workloads(seed=1, round_number=1) == part.workloads(seed=1, round_number=1)
    assert {workload.kind for workload in part.workloads(seed=1, round_number=1)} == {name}
    assert part.title()
    assert part.notes()


def test_built_in_scenarios_use_only_kinds_that_there_are() -> None:
    assert {"tokens", "telemetry", "rtt", "saturated"} <= {*names()}
    used = {kind for name in names() for kind in load(BUILT_IN / f"{name}.toml").parts}
    assert used <= kinds.discover().keys()


def test_limits_are_by_metric(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[load]\n[slo]\nlatency_p99_ms = 50\n")
    overrides: dict[str, Setting] = {"slo.in_time": 0.99}
    assert load(path, overrides).slo == {"latency_p99_ms": 50, "in_time": 0.99}
