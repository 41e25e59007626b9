"""A run against the one that was kept: the comparison, and what it may fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.micro.baseline import Run, Shown, ratio_table, reduce_machine

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "tests" / "micro" / "baseline.json"
STEP = "tests/micro/test_harness.py::test_percentiles"
REFERENCE = "tests/micro/test_encoding.py::test_json_dumps[1024B-x256]"
OPTIONS = ["--benchmark-min-rounds=2", "--benchmark-max-time=0.01", "--benchmark-compare-fail=min:100%"]


def measure(*options: str) -> subprocess.CompletedProcess[str]:
    """Run a step and its reference for their times."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            STEP,
            REFERENCE,
            "-p",
            "no:cacheprovider",
            "--benchmark-enable",
            *OPTIONS,
            *options,
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def shown(name: str, source: str, seconds: float, **params: int) -> Shown:
    return Shown(name=name, fullname=f"tests/micro/{name}", params=params or None, source=source, min=seconds)


def test_ratios_are_to_the_reference_of_the_same_payload() -> None:
    slower = 2.0  # another machine
    table = list(
        ratio_table(
            [
                shown("test_json_dumps[32B-x1]", "kept", 1.0, size=32, count=1),
                shown("test_json_dumps[1024B-x256]", "kept", 100.0, size=1024, count=256),
                shown("test_read[32B-x1]", "kept", 3.0, size=32, count=1),
                shown("test_join", "kept", 50.0),
                shown("test_json_dumps[32B-x1]", "NOW", 1.0 * slower, size=32, count=1),
                shown("test_json_dumps[1024B-x256]", "NOW", 100.0 * slower, size=1024, count=256),
                shown("test_read[32B-x1]", "NOW", 6.0 * slower, size=32, count=1),
                shown("test_join", "NOW", 50.0 * slower),
            ]
        )
    )
    rows = {line.split()[0]: line.split()[1:] for line in table}
    assert rows["test_read[32B-x1]"] == ["3.000", "6.000", "+100%"]
    assert rows["test_join"] == ["0.500", "0.500", "+0%"]


def test_a_run_without_another_has_no_table() -> None:
    assert not list(ratio_table([shown("test_json_dumps[1024B-x256]", "", 1.0)]))


def test_what_is_kept_names_no_machine() -> None:
    kept: Run = json.loads(KEPT.read_text())
    again = dict(kept["machine_info"])
    reduce_machine(again)
    assert again == kept["machine_info"]
    assert not {"node", "release"} & kept["machine_info"].keys()
    assert kept["commit_info"] == {}
    assert KEPT.stat().st_size < 120_000


def test_every_step_is_kept() -> None:
    kept: Run = json.loads(KEPT.read_text())
    files = {step["fullname"].partition("::")[0] for step in kept["benchmarks"]}
    there = {str(path.relative_to(ROOT)) for path in Path(__file__).parent.glob("test_*.py")}
    assert files == there - {str(Path(__file__).relative_to(ROOT))}


@pytest.mark.timeout(120)
def test_it_fails_only_on_the_machine_of_the_baseline(tmp_path: Path) -> None:
    run: Run = json.loads(KEPT.read_text())
    run["machine_info"]["cpu"] = {"brand_raw": "another"}
    other, own = write(tmp_path / "other.json", impossible(run)), tmp_path / "own.json"
    elsewhere = measure(f"--benchmark-compare={other}", f"--benchmark-json={own}")
    assert elsewhere.returncode == 0, elsewhere.stdout + elsewhere.stderr
    assert "times json.dumps of the same values" in elsewhere.stdout
    assert "Benchmark machine_info is different" in elsewhere.stdout + elsewhere.stderr
    here = measure(f"--benchmark-compare={write(own, impossible(json.loads(own.read_text())))}")
    assert here.returncode != 0
    assert "Performance has regressed" in here.stdout + here.stderr


def impossible(run: Run) -> Run:
    """Make the step faster than it can be."""
    for step in run["benchmarks"]:
        if step["fullname"] == STEP:
            step["stats"]["min"] = 1e-9
    return run


def write(path: Path, run: Run) -> Path:
    path.write_text(json.dumps(run))
    return path
