"""`streamlanes serve` as a user runs it."""

from __future__ import annotations

import asyncio
import json
import re
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from streamlanes import clients
from streamlanes.producers.errors import StreamOrphaned
from streamlanes.producers.pacing.journal import read_journal
from streamlanes.transports import Transport, baselines, discover
from streamlanes.transports.server.uvicorn_server import bind
from tests.serving import serve_process


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end, which must be soon."""
    command = [sys.executable, "-m", "streamlanes", "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def test_it_says_where_it_listens_and_serves_its_shared_streams() -> None:
    with serve_process("--stream", "news=ticker,count=2,arrivals=at-once,size=40") as (url, _):
        assert httpx.get(f"{url}/poll/news").json()["done"] is True
        assert url.startswith("http://127.0.0.1:")


def test_a_file_named_at_the_start_is_a_streams_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Hello, file, rate=5!\n")
    argument = f"hello=tokens,rate=1000,ttft=0,text=@{tmp_path}/a.txt"
    with serve_process("--stream", argument) as (url, _):
        text = httpx.get(f"{url}/ndjson/hello", headers={"Accept": "text/plain"}).text
        assert text == "Hello, file, rate=5!\n"


def test_a_comma_may_be_part_of_a_value() -> None:
    with serve_process("--stream", "hello=tokens,text=Hello, you, there,rate=1000,ttft=0") as (url, _):
        assert httpx.get(f"{url}/ndjson/hello", headers={"Accept": "text/plain"}).text == "Hello, you, there"


def test_a_journal_is_left_where_asked_and_nowhere_else(tmp_path: Path) -> None:
    with serve_process("--stream", "s=ticker,count=20,rate=1000", "--journal", str(tmp_path)) as (url, process):
        done = httpx.get(f"{url}/sse/s").text
        epoch = done.split("id: ")[1].split(":")[0]
        process.kill()  # what has been written stays
    stamps = read_journal(tmp_path, epoch)
    assert len(stamps) == 20
    assert all(due <= woke <= append for due, woke, append in stamps[1:])


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_and_its_readers_are_told(signum: signal.Signals) -> None:
    async def read(transport: Transport) -> None:
        async with clients.discover()[transport.wire].connect(f"{url}/{transport.name}/{session}") as stream:
            await anext(stream)
            with pytest.raises(StreamOrphaned):
                await anext(stream)
            assert stream.reconnects == 0, transport.name

    lanes = discover().values()
    with serve_process("--drain", "0.2") as (url, process):
        async with asyncio.timeout(20), httpx.AsyncClient(base_url=url) as http:
            started = await http.post("/start", json={"producer": "ticker", "params": {"rate": 0.01}})
            session = started.json()["session_id"]
            async with asyncio.TaskGroup() as tasks:
                for transport in lanes:
                    tasks.create_task(read(transport))
                while (await http.get(f"/sessions/{session}")).json()["readers"] < len(lanes):
                    await asyncio.sleep(0.01)
                process.send_signal(signum)
        _, errors = process.communicate(timeout=10)
        assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--stream", "news"], "isn't NAME=PRODUCER"),
        (["--stream", "news=nothing"], "there are tokens, ticker"),
        (["--stream", "news=ticker,rate=0"], "rate"),
        (["--stream", "news=ticker,speed=1"], "speed"),
        (["--stream", "news=ticker,5"], "isn't KEY=VALUE"),
        (["--stream", "News=ticker"], "can't name a stream"),
        (["--stream", "a=ticker", "--stream", "a=ticker"], "two streams are named a"),
        (["--stream", "a=tokens,text=@/no/such/file"], "/no/such/file"),
        (["--port", "70000"], "--port"),
        (["--journal", "/no/such/folder"], "--journal"),
        (["--retain-events", "0"], "--retain-events"),
        (["--session-ttl", "nan"], "--session-ttl"),
        (["--stream", "news=ticker,rate=1,rate=2"], "given twice"),
        (["--allowed-hosts", "a.example:80"], "--allowed-hosts: allowed host 'a.example:80' has a port"),
        (["--allowed-hosts", ""], "--allowed-hosts"),
        (["--allowed-origins", "app.example.com"], "--allowed-origins: 'app.example.com' isn't scheme://host"),
        (["--allowed-origins", "*"], "--allowed-origins: '*' isn't scheme://host"),
        (["--stream", "news=replay,recording=talk"], "there is no recording 'talk'; the server has none"),
        (["--recording", "talk"], "isn't NAME=FILE"),
        (["--recording", "a,b=/no/such/file"], "isn't NAME=FILE"),
        (["--recording", "talk=/no/such/file"], "/no/such/file"),
    ],
)
def test_bad_usage_is_one_line_that_says_what_to_do(
    arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from streamlanes.__main__ import main

    monkeypatch.setattr(sys, "argv", ["streamlanes", "serve", *arguments])
    with pytest.raises(SystemExit) as raised:
        main()
    assert raised.value.code == 2
    said = capsys.readouterr()
    assert told in said.err
    assert len(said.err.splitlines()) == 1
    assert said.out == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--stream", "news"], "isn't NAME=PRODUCER"),
        (["--pacer", "99"], "isn't a socket"),
        (["--pacer", "1"], "isn't a socket"),
        (["--host", "no.such.host.invalid"], "no.such.host.invalid"),
        (["--host", "a" * 70 + ".b"], "--host"),
    ],
)
def test_a_process_that_can_not_serve_says_so_in_a_line(arguments: list[str], told: str) -> None:
    done = serve(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_it_serves_on_when_nobody_reads_what_it_says() -> None:
    command = [sys.executable, "-m", "streamlanes", "serve", "--port", "0"]
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(command, stdout=full, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        url = re.search(r"http://\S+", process.stderr.readline())
        assert url is not None
        assert httpx.get(f"{url[0]}/healthz").json()["status"] == "ok"
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=10)
    assert "Traceback" not in errors


def test_a_port_in_use_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = serve("--port", str(port))
    assert done.returncode == 2
    assert f"port {port}" in done.stderr
    assert "--port" in done.stderr


def test_accepted_connections_send_at_once() -> None:
    with bind("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()) as _:
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_it_may_have_as_many_connections_as_the_system_allows() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))  # as in many shells; what is started has it too
    try:
        with serve_process() as (_, process):
            assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_baselines_are_served_when_asked_for() -> None:
    with serve_process("--stream", "s=ticker,count=3,arrivals=at-once", "--baselines") as (url, _):
        lanes = httpx.get(f"{url}/healthz").json()["lanes"]
        assert lanes.keys() == discover().keys() | baselines.discover().keys()
        assert httpx.get(f"{url}/poll-single/s").json()["events"][0]["id"].endswith(":1")
    with serve_process() as (url, _):
        assert httpx.get(f"{url}/healthz").json()["lanes"].keys() == discover().keys()


TALK = '{"at": 100.5, "data": "a"}\n{"at": 100.75, "type": "note", "data": {"b": 1}}\n'


def test_recordings_named_at_the_start_are_replayed(tmp_path: Path) -> None:
    (tmp_path / "talk.jsonl").write_text(TALK)
    given = ["--recording", f"talk={tmp_path}/talk.jsonl", "--recording", f"more={tmp_path}/talk.jsonl"]
    with serve_process(*given, "--stream", "news=replay,recording=talk,limit=1") as (url, _):
        assert [event["data"] for event in httpx.get(f"{url}/poll/news").json()["events"]] == ["a"]

        params = {"recording": "talk", "speed": 10}
        started = httpx.post(f"{url}/start", json={"producer": "replay", "params": params}).json()
        lines = [json.loads(line) for line in httpx.get(f"{url}{started['links']['ndjson']}").text.splitlines()]
        assert [(line.get("type"), line["data"]) for line in lines[1:3]] == [(None, "a"), ("note", {"b": 1})]

        for name in ("nothing", f"{tmp_path}/talk.jsonl"):
            refused = httpx.post(f"{url}/start", json={"producer": "replay", "params": {"recording": name[:64]}})
            assert refused.status_code == 422
            (error,) = refused.json()["errors"]
            assert error["field"] == "params.recording"
            assert "there are more, talk" in error["message"]


def test_what_is_wrong_in_a_recording_is_said_before_it_serves(tmp_path: Path) -> None:
    (tmp_path / "talk.jsonl").write_text(f'{TALK}{{"at": 99, "data": 1}}\n')
    done = serve("--recording", f"talk={tmp_path}/talk.jsonl")
    assert done.returncode == 2
    assert f"{tmp_path}/talk.jsonl, line 3: expected" in done.stderr
    assert len(done.stderr.splitlines()) == 1
