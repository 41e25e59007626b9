"""The wheel, as somebody gets it who has nothing else."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.project.conftest import ROOT, run

PACKAGES = ("producers", "transports", "clients", "benchmarks", "demos", "command", "contract")


def test_the_wheel_has_the_packages_below_one_name_and_nothing_else(wheel: Path) -> None:
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert {name.split("/")[0] for name in names} == {"streamlanes"}
    below = {name.split("/")[1] for name in names}
    assert below == {*PACKAGES, "__init__.py", "__main__.py", "py.typed"}
    tracked = run("git", "ls-files", *PACKAGES, cwd=ROOT).split() if (ROOT / ".git").exists() else []
    assert {f"streamlanes/{name}" for name in tracked} <= set(names)


def test_a_checkout_has_what_the_wheel_has() -> None:
    home = ROOT / "src" / "streamlanes"
    assert {link.name: link.resolve() for link in home.iterdir() if link.is_symlink()} == {
        name: ROOT / name for name in PACKAGES
    }


@pytest.mark.timeout(120)
def test_the_command_runs_where_nothing_else_is_installed(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=False)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", environment / "bin" / "python")
    run(*pip, "install", "--quiet", wheel, cwd=tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = environment / "bin" / "streamlanes"
    printed = run(command, "--help", cwd=elsewhere)
    assert all(verb in printed for verb in ("compare", "serve", "watch"))
    installed = run(*pip, "list", "--format=freeze", cwd=tmp_path).split()
    assert {line.split("==")[0] for line in installed} == {"streamlanes", "click"}

    missing = subprocess.run([command, "serve"], cwd=elsewhere, capture_output=True, text=True, timeout=20, check=False)
    assert missing.returncode == 2
    assert "pip install 'streamlanes[server]'" in missing.stderr
    assert len(missing.stderr.splitlines()) == 1
