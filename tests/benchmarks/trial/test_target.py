"""`compare --target`: servers that are running already, and what can't be known of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamlanes.benchmarks.analysis import recorded
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment import results
from streamlanes.benchmarks.experiment.results import Header
from streamlanes.benchmarks.report.terminal import markdown
from streamlanes.benchmarks.report.verdicts import compared
from streamlanes.benchmarks.spec.metrics import ENGINE
from streamlanes.benchmarks.trial.target import TargetError, check_url
from streamlanes.transports.door.authorization import BearerToken
from streamlanes.transports.server.app import create_app
from tests.serving import serve_process, serving_app

SECRET = "s3cret-token"  # noqa: S105 (of this test's own server)
ONE_WAY = {"latency", "lag", "queueing", "delivery", "up", "down"}
OF_THE_SERVER = {"server_us_per_event", "server_cpu", "goodput", "in_time", "server_us_per_connect"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serve_process() as (url, _):
        yield url


def compare(*arguments: str | Path) -> int | str | None:
    """Run the command in this process and return its exit code."""
    from streamlanes.__main__ import main

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["streamlanes", "compare", *map(str, arguments)])
        with pytest.raises(SystemExit) as raised:
            main()
    return raised.value.code


def run(scenario: str, folder: Path, *arguments: str) -> tuple[Header, list[Result]]:
    path = folder / "tiny.toml"
    path.write_text(scenario)
    assert compare(path, "--out", folder / "out", "--lanes", "sse,ws", *arguments) == 0
    header, finished = results.read(folder / "out")
    assert {result.lane for result in finished} == {"sse", "ws"}
    assert all(result.correctness.ok for result in finished)
    for result in finished:
        assert not ONE_WAY & result.histograms.keys()
        assert result.heat is None
    return header, list(finished)


def test_a_stream_of_a_server_that_runs_already(server: str, tmp_path: Path) -> None:
    scenario = "[broadcast]\nrounds = 1\nreaders = [3]\ndeliveries = 300\nseconds = 1\nwarm_up = 0\n"
    header, finished = run(scenario, tmp_path, "--target", f"{server}/")
    for result in finished:
        assert (result.readers, result.events) == (3, 300)
        assert not OF_THE_SERVER & result.figures.keys()
        assert 150 < result.figures["rate"] < 900  # 300, but where the machine's other work held up a part of it
        assert result.figures[ENGINE] > 0
        assert "the target keeps no journal for us" in {caveat.detail for caveat in result.caveats}
        raw = recorded.read(tmp_path / "out" / "raw" / result.trial)
        assert raw.trial.boot_id == raw.engines[0].boot_id  # the machine is the same, and yet
        assert not raw.one_clock
        assert not (raw.folder / "server.log").exists()
    assert header.target is not None
    assert (header.target.url, header.target.status) == (server, "ok")
    assert header.environment.server_cpu is None
    assert server in header.environment.connections
    text = markdown(header, finished, compared(header, finished))
    assert f"the server's environment isn't known: {server} was running already" in text
    assert f"- target {server}: ok, server unknown" in text
    assert "no one-way times, so no latency" in text


def test_round_trips_are_wholly_the_engines(server: str, tmp_path: Path) -> None:
    _, finished = run("[rtt]\nrounds = 1\nclients = 2\nmessages = 20\nrate = 100\n", tmp_path, "--target", server)
    for result in finished:
        assert {"rtt", "send_lag", "held"} <= result.histograms.keys()
        assert result.samples["rtt"] == 40
        assert result.figures["rtt_p50_ms"] > 0


def test_connecting_to_a_server_that_runs_already(server: str, tmp_path: Path) -> None:
    _, finished = run("[connect]\nrounds = 1\nreaders = 30\nspread = 0.3\nlinger = 0.5\n", tmp_path, "--target", server)
    for result in finished:
        assert {"first_event", "connect"} <= result.histograms.keys()
        assert not OF_THE_SERVER & result.figures.keys()


def test_bytes_on_the_wire(server: str, tmp_path: Path) -> None:
    _, finished = run("[wire]\nrounds = 1\nrates = [200]\nevents = 20\nreaders = 2\n", tmp_path, "--target", server)
    assert all(result.figures["bytes_down_per_event"] > 128 for result in finished)


def test_sessions_of_a_server_that_runs_already(server: str, tmp_path: Path) -> None:
    load = "[load]\nrounds = 1\nclients = 3\nspread = 0.05\ncount = 30\nrate = 300\nttft = 0.02\n"
    _, finished = run(load, tmp_path, "--target", server)
    assert all({"first_event", "connect"} <= result.histograms.keys() for result in finished)


def test_limits_of_the_target_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tiny.toml"
    path.write_text("[wire]\nrounds = 1\nrates = [200]\nevents = 20\nreaders = 1\n")
    with serve_process("--max-sessions", "1") as (url, _):
        code = compare(path, "--out", tmp_path / "out", "--lanes", "sse,ws", "--target", url)
    assert code == 1
    _, finished = results.read(tmp_path / "out")
    assert sorted(result.correctness.ok for result in finished) == [False, True]
    said = " ".join(capsys.readouterr().out.split())
    assert "POST /start: 429 (a limit of the server's), not 201:" in said
    assert "there are too many sessions" in said


async def test_what_the_target_wants_to_be_sent_is_sent_and_not_stored(tmp_path: Path) -> None:
    import asyncio

    path = tmp_path / "tiny.toml"
    path.write_text(
        "[broadcast]\nrounds = 1\nreaders = [2]\ndeliveries = 200\nseconds = 0.5\nwarm_up = 0\n"
        "[load]\nrounds = 1\nclients = 2\ncount = 10\nrate = 300\nttft = 0.02\n"
    )
    lanes = "sse,ws,sse+httpx2,ws+websockets,poll+httpx"
    async with serving_app(create_app(authorize=BearerToken([SECRET]))) as url:
        given = ("--out", tmp_path / "out", "--lanes", lanes, "--target", url)
        refused = await asyncio.to_thread(compare_process, path, *given)
        assert refused[0] == 2
        assert "/healthz: 401, not 200" in refused[1]
        code, said = await asyncio.to_thread(
            compare_process, path, *given, "--header", f"Authorization: Bearer {SECRET}", "--header=X-Other: 1"
        )
    assert code == 0, said
    header, finished = results.read(tmp_path / "out")
    assert {result.lane for result in finished} == {*lanes.split(",")}
    assert header.command.endswith("--header 'Authorization: …' '--header=X-Other: …'")
    stored = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert SECRET.encode() not in stored
    assert SECRET not in said


def compare_process(*arguments: str | Path) -> tuple[int, str]:
    """Run the command and return its exit code, and what it printed."""
    import subprocess

    command = [sys.executable, "-m", "streamlanes", "compare", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["saturated"], "[saturated] can't be run against a target"),
        (["idle"], "scenarios that can: connect, fanout, notifications, rtt, telemetry, wire"),
        (["recovery"], "[recovery] can't be run against a target"),
        (["capacity"], "[capacity] can't be run against a target"),
        (["telemetry", "--lanes", "sse,sse-usual"], "there is no lane 'sse-usual'; there are ndjson, poll, sse, ws"),
        (["telemetry", "--lanes", "floor"], "there is no lane 'floor'; there are ndjson, poll, sse, ws"),
        (["telemetry", "--external", "nchan"], "'--external': a target's own lanes are compared"),
        (["telemetry", "--header", "s3cret-token"], "'--header': number 1 isn't NAME: VALUE"),
        (["telemetry", "--header", "A: 1", "--header", "a: s3cret-token"], "'--header': a is given twice"),
    ],
)
def test_what_can_not_be_run_against_a_target(
    arguments: list[str],
    fault: str,
    server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert compare(*arguments, "--target", server) == 2
    said = capsys.readouterr().err
    assert fault in said
    assert SECRET not in said
    assert not (tmp_path / "results").exists()


def test_a_header_without_a_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare("telemetry", "--header", f"A: {SECRET}") == 2
    assert "--header is about a --target" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["x", "ftp://x", "http://", "http://x:0", "http://x:y", "http://x?a=1", "http://x#a"])
def test_what_is_no_server(url: str) -> None:
    with pytest.raises(TargetError, match="isn't a server's URL"):
        check_url(url)


def test_a_password_in_the_url_is_not_repeated() -> None:
    with pytest.raises(TargetError, match="use --header") as raised:
        check_url(f"https://user:{SECRET}@example.com")
    assert SECRET not in str(raised.value)
