"""`streamlanes demo`: what it says before it shows anything, and what is left when it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from streamlanes.command.demo import demo
from tests.benchmarks.living import left_of, marked

COMMAND = [sys.executable, "-m", "streamlanes", "demo"]


def refused(*arguments: str, **env: str) -> str:
    """Run it, and return what it complains of. (How that looks is the command's, and the same for all its verbs.)"""
    result = CliRunner(env=env).invoke(demo, arguments)
    assert result.exit_code in {1, 2}
    assert result.stdout == ""
    return result.stderr


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refused("--no-open", "--port", str(taken.getsockname()[1]))
    assert "Address already in use" in said
    assert "choose another --port (0: a free one)" in said


def test_a_server_that_cannot_start() -> None:
    said = refused("--no-open", STREAMLANES_HEARTBEAT="never")
    assert "the server didn't start" in said
    assert "STREAMLANES_HEARTBEAT" in said
    assert "`streamlanes serve --baselines` by itself says more" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--lanes", "sse,pigeon"], "there is no lane 'pigeon'; there are ndjson, poll, sse, ws"),
        (["--lanes", "sse,sse"], "each once"),
        (["--lanes", ","], "name one lane or more"),
        (["--terminal", "--no-open"], "--port and --no-open are about the page"),
        (["--param", "rate=5"], "--producer and --param are for --terminal"),
        (["--terminal", "--param", "rate"], "'rate' isn't KEY=VALUE"),
    ],
)
def test_options_that_cannot_be_meant(arguments: list[str], says: str) -> None:
    assert says in refused(*arguments)


def test_a_stream_that_the_server_will_not_start() -> None:
    assert "params.rate" in refused("--terminal", "--param", "rate=-1")


@contextmanager
def page(environment: dict[str, str]) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run it with a page, a stream and some readers; gives its URL."""
    process = subprocess.Popen([*COMMAND, "--no-open"], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("listening on ").strip()
        with httpx.Client(base_url=url, trust_env=False, timeout=20) as http:
            started = http.post("/api/runs", json={"producer": "ticker"}).json()
            order = {"session_id": started["session_id"], "count": 4, "lanes": ["sse", "ws"]}
            assert http.put("/api/readers", json=order).status_code == 204
        yield url, process
    finally:
        process.kill()
        process.communicate(timeout=10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order_when_it_is_told_to(tmp_path: Path, number: signal.Signals) -> None:
    environment = {**marked(), "TMPDIR": str(tmp_path)}
    with page(environment) as (_, process):
        assert list(tmp_path.iterdir())
        process.send_signal(number)
        assert process.wait(10) == 128 + number
        assert left_of(environment) == []
        assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_its_processes_go_with_it_when_it_is_killed(tmp_path: Path) -> None:
    environment = {**marked(), "TMPDIR": str(tmp_path)}
    with page(environment) as (_, process):
        process.kill()
        process.wait(10)
        assert left_of(environment) == []
