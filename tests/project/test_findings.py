"""The findings: each script has its form, and a place in the code that works around what it shows."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "findings").glob("*.sh"))


def test_there_are_some() -> None:
    assert len(SCRIPTS) >= 4


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_finding_has_its_form(script: Path) -> None:
    text = script.read_text()
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True, timeout=10)
    heads = re.findall(r"^# (\w+):", text.partition("set -euo pipefail")[0], re.MULTILINE)
    assert heads == ["Software", "Behaviour", "Seen", "Expected"]
    assert "trap 'rm -rf \"$folder\"' EXIT" in text
    assert re.search(r"\w==\d", text), "a version that is pinned"
    assert "streamlanes" not in text


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_code_names_it_where_it_works_around_it(script: Path) -> None:
    folders = ("producers", "transports", "clients", "benchmarks", "demos", "command", "tests", "docs")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.*") if path.suffix in {".py", ".md"}]
    assert any(f"findings/{script.name}" in path.read_text(encoding="utf-8") for path in sources)
