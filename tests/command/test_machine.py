"""Other people's machines: encodings, full disks, few open files, kills at any time, texts that steer a terminal."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from streamlanes.benchmarks.experiment import results
from streamlanes.benchmarks.report.exports import csv_text
from streamlanes.benchmarks.report.terminal import markdown
from streamlanes.benchmarks.report.verdicts import compared
from streamlanes.producers.visible import visible, visible_json
from tests.benchmarks.living import left_of, marked
from tests.benchmarks.synthetic import header, run

COMMAND = (sys.executable, "-m", "streamlanes")
VERBS = ("serve", "watch", "compare", "report", "diff", "demo", "scenarios")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a run that was never made."""
    folder = tmp_path_factory.mktemp("run")
    results.create(folder, header("sse", "ws"))
    for result in run({"sse": 1.0, "ws": 2.0}, rounds=3):
        results.append(folder, result)
    return folder


def streamlanes(
    *words: object,
    env: dict[str, str] | None = None,
    stdout: int = subprocess.PIPE,
    limits: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *map(str, words)], env={**os.environ, **(env or {})}, stdout=stdout, stderr=subprocess.PIPE,
        timeout=50, check=False, preexec_fn=limits,
    )  # fmt: skip


@pytest.mark.parametrize("words", [("--help",), *((verb, "--help") for verb in VERBS), ("report", "RUN")])
def test_an_encoding_that_lacks_characters_is_no_failure(words: tuple[str, ...], folder: Path) -> None:
    words = tuple(str(folder) if word == "RUN" else word for word in words)
    done = streamlanes(*words, env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout


@pytest.mark.parametrize("words", [("compare", "--help"), ("report", "RUN"), ("diff", "RUN", "RUN"), ("scenarios",)])
def test_output_that_cannot_be_written_is_said_in_a_line(words: tuple[str, ...], folder: Path) -> None:
    words = tuple(str(folder) if word == "RUN" else word for word in words)
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        done = streamlanes(*words, stdout=full)
    finally:
        os.close(full)
    assert (done.returncode, done.stderr) == (3, b"streamlanes: No space left on device: standard output\n")


@pytest.mark.parametrize("words", [("report", "RUN"), ("diff", "RUN", "RUN", "--anyway"), ("--version",)])
def test_closed_output_is_no_failure(words: tuple[str, ...], folder: Path) -> None:
    words = tuple(str(folder) if word == "RUN" else word for word in words)
    done = streamlanes(*words, limits=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_is_no_histogram_is_said(tmp_path: Path) -> None:
    results.create(tmp_path, header("sse"))
    (only,) = run({"sse": 1.0}, rounds=1)
    results.append(tmp_path, replace(only, histograms={"lag": "|`"}))
    done = streamlanes("report", tmp_path)
    assert done.returncode == 2
    assert b"no results of a run: not a histogram" in done.stderr


def test_a_reader_who_has_seen_enough_changes_nothing(folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = streamlanes("report", folder, stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def limited(which: int, most: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(which, (most, most))


def test_too_few_open_files_are_no_lanes_fault(tmp_path: Path) -> None:
    words = ("compare", "fanout", "--quick", "--set", "broadcast.readers=[500]", "--out", tmp_path / "out")
    done = streamlanes(*words, limits=limited(resource.RLIMIT_NOFILE, 200))
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"500 readers take 564 open files, and a process may have 200 here" in done.stderr
    assert b"ulimit -Hn" in done.stderr


def test_a_file_that_cannot_be_written_is_no_lanes_fault(tmp_path: Path) -> None:
    """As on a disk that is full: the limit is under what the producer's journal takes."""
    scenario = tmp_path / "s.toml"
    scenario.write_text("[broadcast]\nrounds = 2\nreaders = [2]\ndeliveries = 20000\nseconds = 1\nwarm_up = 0\n")
    words = ("compare", scenario, "--lanes", "sse", "--out", tmp_path / "out")
    done = streamlanes(*words, limits=limited(resource.RLIMIT_FSIZE, 40 * 1024))
    assert done.returncode == 3, done.stderr
    assert b"the journal couldn't be written" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_certificates_that_cannot_be_read_are_said_where_they_are_needed(scheme: str, tmp_path: Path) -> None:
    done = streamlanes("watch", f"{scheme}://127.0.0.1:9/sse/x", env={"SSL_CERT_FILE": str(tmp_path / "missing.pem")})
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert (b"SSL_CERT_FILE=" in done.stderr) is (scheme == "https")


def test_a_comparison_of_clients_needs_no_certificates(tmp_path: Path) -> None:
    scenario = tmp_path / "s.toml"
    scenario.write_text("[load]\nrounds = 1\nclients = 2\ncount = 5\n")
    words = ("compare", scenario, "--clients", "--lanes", "sse", "--out", tmp_path / "out")
    done = streamlanes(*words, env={"SSL_CERT_FILE": str(tmp_path / "missing.pem")})
    assert done.returncode == 0, done.stderr


def test_an_upstream_over_https_needs_certificates(tmp_path: Path) -> None:
    env = {"SSL_CERT_FILE": str(tmp_path / "missing.pem"), "KEY": "x"}
    done = streamlanes("serve", "--port", "0", "--upstream", "chat=https://127.0.0.1:9/v1,key_env=KEY", env=env)
    assert done.returncode == 2
    assert b"SSL_CERT_FILE=" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def spawned(pid: int) -> bool:
    """Say whether process *pid* has a worker, however far that has come."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            try:
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return True
            except FileNotFoundError:
                pass
    return False


@pytest.mark.parametrize("later", [0, 0.05, 0.2])
def test_nothing_is_left_of_a_comparison_that_is_killed_while_it_begins(tmp_path: Path, later: float) -> None:
    env = marked()
    command = [*COMMAND, "compare", "tokens", "--quick", "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env) as running:
        until = time.monotonic() + 30
        while not spawned(running.pid):
            assert time.monotonic() < until
            assert running.poll() is None
        time.sleep(later)  # where its workers are then is what differs
        running.send_signal(signal.SIGKILL)
    assert left_of(env) == []


EVIL = ("=cmd|' /C calc'!A0", "\x1b[31mred", "<script>alert(1)</script>", "a|b`c", "[bold]x[/bold]", "\x9bx\x7f")


def test_names_of_somebody_elses_do_nothing(tmp_path: Path) -> None:
    results.create(tmp_path, header(*EVIL))
    for result in run({name: 1.0 + n for n, name in enumerate(EVIL)}, rounds=3):
        results.append(tmp_path, result)
    found = results.read(tmp_path)
    printed = streamlanes("report", tmp_path, env={"COLUMNS": "400", "FORCE_COLOR": "1"}).stdout.decode()
    assert "\x1b[31mred" not in printed
    assert "␛[31mred" in printed
    assert "[bold]x[/bold]" in printed
    assert not set(printed) & set("\x9b\x7f")
    text = markdown(*found, compared(*found))
    assert "<script>" not in text
    assert "a\\|b\\`c" in text
    cells = {line.split(",")[3] for line in csv_text(found.results).splitlines()[1:]}
    assert any(cell.startswith("'=cmd") for cell in cells)
    assert not any(cell.lstrip('"').startswith("=") for cell in cells)


def test_what_would_steer_a_terminal_is_shown() -> None:
    assert visible("a\x1b[0m\tb\nc\r\x07\x7f\x9b") == "a␛[0m\tb\nc␍␇␡\ufffd"
    assert visible_json(r'"\u001b\\u001b\r\n\t\"\u009b\u00e9"') == r'"␛\\u001b␍\n\t\"' + "\ufffd" + r'\u00e9"'
