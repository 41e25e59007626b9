"""The wheel in somebody else's folder, which has packages of the same names as our folders."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streamlanes.clients import SSEClient, start
from tests.apps import serving_folder
from tests.project.conftest import run

THEIRS = ("clients", "producers", "transports", "benchmarks", "demos", "command", "tests")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder: an app, and packages that would break ours if they were taken for them."""
    for name in THEIRS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f'MINE = "{name}"\n')
    shutil.copy(Path(__file__).with_name("installed_service.txt"), tmp_path / "app.py")
    return tmp_path


def alone(python: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run without what these tests have added to the path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [python, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=50, check=False
    )


def test_it_is_the_wheel_that_is_imported(python: Path, folder: Path) -> None:
    program = "import streamlanes, clients; print(streamlanes.__file__, clients.MINE)"
    done = alone(python, "-c", program, cwd=folder)
    assert done.returncode == 0, done.stderr
    where, mine = done.stdout.split()
    assert Path(where).is_relative_to(python.parents[1])
    assert mine == "clients"


async def test_a_lane_is_mounted_beside_the_users_own_packages(python: Path, folder: Path) -> None:
    with serving_folder(folder, python=python) as url:
        async with asyncio.timeout(30):
            started = await start(f"{url}/streams", "count", {"to": 3})
            assert set(started.links) == {"sse"}
            async with SSEClient().connect(started.links["sse"]) as stream:
                events = [json.loads(event.data) async for event in stream]
            assert events == [{"n": n, "mine": "clients"} for n in (1, 2, 3)]
            watched = alone(python, "-m", "streamlanes", "watch", started.links["sse"], cwd=folder)
    assert watched.returncode == 0, watched.stderr
    assert [json.loads(line)["n"] for line in watched.stdout.splitlines()] == [1, 2, 3]


def test_a_comparison_starts_its_own_processes_there(python: Path, folder: Path) -> None:
    """None of them takes the user's modules for libraries that it needs."""
    for library in ("uvicorn", "aiohttp", "fastapi", "pydantic"):
        (folder / f"{library}.py").write_text("raise SystemExit('the user's own')\n")
    (folder / "tiny.toml").write_text("[saturated]\nrounds = 1\nevents = 200\nseconds = 0.05\n")
    options = ("tiny.toml", "--lanes", "sse,poll", "--out", "out")
    done = alone(python.with_name("streamlanes"), "compare", *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert len((folder / "out" / "results.jsonl").read_text().splitlines()) == 3


@pytest.mark.timeout(120)
def test_the_users_service_type_checks_strictly(python: Path, folder: Path) -> None:
    """Unneeded `type: ignore`s are errors too: the mistakes in `wrong` are found, and nothing public is Any."""
    mypy = (sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--python-executable", python)
    assert "no issues found" in run(*mypy, "app.py", cwd=folder)
