"""Temporary folders go, sooner or later."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from streamlanes.demos.folder import PREFIX, sweep, temporary_folder

HOLDER = (
    "import signal\nfrom streamlanes.demos.folder import *\n"
    "with temporary_folder() as f: print(f, flush=True); signal.pause()"
)


def test_a_killed_programs_folder_goes_with_the_next_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    somebody = tmp_path / f"{PREFIX}without-a-lock"
    somebody.mkdir()
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        left = Path(holder.stdout.readline().strip())
        with temporary_folder() as mine:
            (mine / "log").touch()
            sweep()
            assert left.exists()
            assert mine.exists()
        assert not mine.exists()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert left.exists()
    sweep()
    assert not left.exists()
    assert somebody.exists()
