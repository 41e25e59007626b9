"""No child process is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from streamlanes.benchmarks.kinds.saturated import Saturated
from streamlanes.benchmarks.machine import clocks
from streamlanes.benchmarks.machine.processes import ProcessError, child, placement
from streamlanes.benchmarks.trial.server import Server, serving
from tests.benchmarks.living import is_gone

SLEEPER = [sys.executable, "-c", "import signal; print('ready', flush=True); signal.pause()"]


def pid_of(server: Server) -> int:
    assert server.pid is not None
    return server.pid


def test_server_starts_and_is_ended(tmp_path: Path) -> None:
    (workload,) = Saturated(events=100).workloads(seed=1, round_number=1)
    with serving(tmp_path, placement(), workload.options) as server:
        assert server.url.startswith("http://127.0.0.1:")
        used = clocks.process_cpu_ns(pid_of(server))
        assert used is not None
        assert used > 0
    assert is_gone(pid_of(server))
    assert list((tmp_path / "journal").glob("*.journal"))


def test_server_is_ended_when_the_trial_raises(tmp_path: Path) -> None:
    pids: list[int] = []

    def trial() -> None:
        with serving(tmp_path, placement()) as server:
            pids.append(pid_of(server))
            raise RuntimeError("the trial broke")

    with pytest.raises(RuntimeError, match="the trial broke"):
        trial()
    assert is_gone(pids[0])


def test_a_pacer_runs_beside_the_server_and_is_ended(tmp_path: Path) -> None:
    cpu = placement().engine
    with serving(tmp_path, placement()._replace(engine=cpu)) as server:
        if cpu is not None:
            assert os.sched_getaffinity(server.pacer_pid) == {cpu}
        assert not is_gone(server.pacer_pid, timeout=0)
    assert is_gone(server.pacer_pid)


def test_the_pacer_wakes_the_servers_producers(tmp_path: Path) -> None:
    """While it is stopped there are no events; its death fails their streams, and then the trial."""

    def trial() -> None:
        with (
            serving(tmp_path, placement()) as server,
            httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client,
        ):
            os.kill(server.pacer_pid, signal.SIGSTOP)
            params = {"count": 3, "rate": 20}
            started = client.post("/start", json={"producer": "ticker", "params": params}).json()
            poll = started["links"]["poll"]
            first = client.get(poll, params={"wait": 10}).json()  # due at the start, which nobody has to wait for
            assert [event["data"]["n"] for event in first["events"]] == [1]
            after = {"after": first["cursor"]}
            late = client.get(poll, params={**after, "wait": 1}).json()  # the second was due after 50 ms
            assert late["events"] == []
            os.kill(server.pacer_pid, signal.SIGKILL)
            end = client.get(poll, params={**after, "wait": 10}).json()
            assert (end["events"], end["outcome"]) == ([], "failed")
            assert is_gone(server.pacer_pid)

    with pytest.raises(ProcessError, match="the pacer ended with code -9"):
        trial()


def test_the_pacer_goes_with_its_server(tmp_path: Path) -> None:
    with serving(tmp_path, placement()) as server:
        os.kill(pid_of(server), signal.SIGKILL)
        assert is_gone(server.pacer_pid)


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
from streamlanes.benchmarks.machine.processes import child
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
