"""No child process is left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import clocks
from benchmarks.kinds.saturated import Saturated
from benchmarks.processes import ProcessError, child, placement
from benchmarks.server import serving
from tests.benchmarks.living import is_gone

SLEEPER = [sys.executable, "-c", "import signal; print('ready', flush=True); signal.pause()"]


def test_server_starts_and_is_ended(tmp_path: Path) -> None:
    (workload,) = Saturated(events=100).workloads(seed=1, round_number=1, trace=None)
    with serving(tmp_path, cpu=placement().server, options=workload.options) as server:
        assert server.url.startswith("http://127.0.0.1:")
        used = clocks.process_cpu_ns(server.pid)
        assert used is not None
        assert used > 0
    assert is_gone(server.pid)
    assert list((tmp_path / "journal").glob("*.journal"))


def test_server_is_ended_when_the_trial_raises(tmp_path: Path) -> None:
    pids: list[int] = []

    def trial() -> None:
        with serving(tmp_path) as server:
            pids.append(server.pid)
            raise RuntimeError("the trial broke")

    with pytest.raises(RuntimeError, match="the trial broke"):
        trial()
    assert is_gone(pids[0])


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such luck')"]
    with child("server", command, folder=tmp_path) as failing:
        assert list(failing.lines(10)) == []
        with pytest.raises(ProcessError, match="the server ended with code 1: no such luck"):
            failing.finish()


def test_a_silent_process_is_given_up(tmp_path: Path) -> None:
    with child("server", SLEEPER, folder=tmp_path) as silent:
        lines = silent.lines(0.5)
        assert next(lines) == "ready"
        with pytest.raises(ProcessError, match="took longer"):
            next(lines)
    assert is_gone(silent.process.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    program = f"""
import signal, sys
from pathlib import Path
from benchmarks.processes import child
with child("sleeper", {SLEEPER!r}, folder=Path({str(tmp_path)!r})) as sleeper:
    next(sleeper.lines(10))
    print(sleeper.process.pid, flush=True)
    signal.pause()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)  # it can't clean up
    assert is_gone(pid)
