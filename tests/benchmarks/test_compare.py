"""`streamlanes compare` as a user runs it: real servers, a real engine, small settings."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.gate import Verdict
from benchmarks.scenario import PRODUCT_LANES

SCENARIO = """
[load]
rounds = 1
clients = 5
spread = 0.05
count = 40
rate = 500.0
ttft = 0.02

[saturated]
events = 1_000
size = 64
seconds = 0.05
"""

FAULTY = """
from contextlib import aclosing
from dataclasses import dataclass

from fastapi import APIRouter, Response
from starlette.responses import StreamingResponse

from producers.wire import NDJSON, Wire
from transports import StreamService
from transports.follow import follow, open_stream
from transports.framing import FrameCache, NDJSONFraming


async def cut(frames, count):
    async with aclosing(frames):
        for _ in range(count):
            yield await anext(frames)


@dataclass(frozen=True)
class Faulty:
    name: str = "NAME"
    wire: Wire = NDJSON

    def router(self, service: StreamService) -> APIRouter:
        router = APIRouter()
        framing = NDJSONFraming()
        drop = 3 if self.name == "lossy" else 0
        cache = FrameCache(lambda epoch, events: framing.events(epoch, [e for e in events if e.offset != drop]))

        @router.get("/NAME/{stream}", name=self.name)
        async def stream_events(stream: str, after: str = "start") -> Response:
            frames = follow(service, stream, await open_stream(service, stream, after), framing, cache)
            return StreamingResponse(frames if drop else cut(frames, 2))

        return router


TRANSPORT = Faulty()
"""
"""Lane `lossy` drops the third event of every stream; lane `cutting` closes after the first ones."""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(SCENARIO)
    return path


def compare(*arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "streamlanes", "compare", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, env=env, check=False)


def processes_about(text: str) -> list[str]:
    """Return the command lines of living processes that mention *text*."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        if text in command:
            found.append(command)
    return found


def test_all_lanes(tmp_path: Path, scenario: Path) -> None:
    out = tmp_path / "out"
    text = tmp_path / "text"
    text.write_text(" word" * 40)
    done = compare(scenario, "--out", out, "--text", text, "--seed", "7")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    for lane in PRODUCT_LANES:
        cells = [line.split() for line in done.stdout.splitlines() if line.startswith(f" {lane} ")]
        assert [row[1:4] for row in cells if "0/0/0" in row and row[2] == "200"] == [["1", "200", "0/0/0"]]
        assert len(cells) == 3  # load, parts, saturated
    first = json.loads((out / results.FILE).read_bytes().splitlines()[0])
    assert (first["schema"], first["version"]) == ("streamlanes.results", 1)
    header, finished = results.read(out)
    assert header.scenario.seed == 7
    assert header.scenario.load is not None
    assert header.scenario.load.text is None  # it may be long
    assert header.text_sha256 == hashlib.sha256(text.read_bytes()).hexdigest()
    assert header.command.endswith("--seed 7")
    assert {(result.kind, result.lane) for result in finished} == {
        (kind, lane) for kind in ("load", "saturated") for lane in PRODUCT_LANES
    }
    assert all(result.verdict == Verdict() for result in finished)
    assert all(result.load is not None for result in finished if result.kind == "load")
    for result in finished:
        raw = out / "raw" / result.trial
        assert {path.name for path in raw.iterdir()} >= {"spec.json", "trial.json", "engine.json", "events.bin.gz"}
        assert list((raw / "journal").glob("*.journal"))
    assert "## Again" in (out / "summary.md").read_text(encoding="utf-8")
    again = compare(scenario, "--out", out)
    assert again.returncode == 2
    assert "holds a run already" in again.stderr


def test_a_trace(tmp_path: Path, scenario: Path) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_bytes(
        b"TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44\r\n"
        b"2023-11-16 18:15:47.9951690,396,109\r\n2023-11-16 18:15:48.2224670,879,0\r\n2024-01-01 00:00:00,1,1\r\n"
    )
    out = tmp_path / "out"
    done = compare(
        scenario, "--out", out, "--lanes", "sse,poll", "--trace", trace, "--speed", "10", "--limit", "3",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    load = [result for result in results.read(out)[1] if result.kind == "load"]
    assert [(result.readers, result.events) for result in load] == [(2, 153)] * 2
    assert "requests without a token in the trace: 1 skipped" in done.stdout


def test_faulty_lanes_are_refused(tmp_path: Path, scenario: Path) -> None:
    metadata = tmp_path / "faulty-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    entries = ["[streamlanes.transports]"]
    for name in ("lossy", "cutting"):
        (tmp_path / f"{name}_lane.py").write_text(FAULTY.replace("NAME", name))
        entries.append(f"{name} = {name}_lane")
    (metadata / "entry_points.txt").write_text("\n".join(entries))
    out = tmp_path / "out"
    done = compare(
        scenario, "--out", out, "--lanes", "ndjson,lossy,cutting", env={**os.environ, "PYTHONPATH": str(tmp_path)}
    )
    assert done.returncode == 1, done.stderr
    assert "lossy, load, round 1: 5 lost" in done.stdout
    assert "the server closed the connection before the end" in " ".join(done.stdout.split())
    by_lane = {(result.kind, result.lane): result for result in results.read(out)[1]}
    assert by_lane["load", "lossy"].verdict == Verdict(lost=5)
    assert by_lane["load", "lossy"].load is None
    assert by_lane["saturated", "lossy"].verdict == Verdict(lost=by_lane["saturated", "lossy"].readers)
    assert by_lane["load", "cutting"].verdict.failures
    assert by_lane["load", "ndjson"].verdict == Verdict()


def test_interrupted(tmp_path: Path, scenario: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "streamlanes", "compare", str(scenario), "--out", str(out), "--rounds", "50"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        while not running.stderr.readline().startswith("1/"):
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        stdout, stderr = running.communicate(timeout=20)
    assert running.returncode == 130
    assert "Traceback" not in stderr
    assert f"finished trials are kept in {out}" in stderr
    assert "incomplete run: " in stdout
    _, finished = results.read(out)
    assert finished
    assert (out / "summary.md").is_file()
    assert processes_about(str(out)) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lanes", "sse,foo"], "there is no lane 'foo'; there are ndjson, poll, sse, ws"),
        (["--lanes", "sse,sse"], "named twice"),
        (["--rounds", "0"], "'--rounds': input should be greater than or equal to 1"),
        (["--rate", "-1"], "'--rate': input should be greater than or equal to 0.1"),
        (["--text", "absent.txt"], "'--text': File 'absent.txt' does not exist"),
        (["--trace", __file__], "line 1: expected the columns"),
        (["--speed", "2"], "name one"),
        (["--out", __file__], "is a file"),
        (["--out", f"{__file__}/below"], "can't write to"),
        (["nosuch"], "there is no scenario 'nosuch'"),
        (["saturated", "--clients", "2"], "saturated.toml has no [load]"),
    ],
)
def test_bad_input(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from streamlanes.__main__ import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["streamlanes", "compare", *arguments])
    with pytest.raises(SystemExit) as raised:
        main()
    captured = capsys.readouterr()
    assert raised.value.code == 2
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not captured.out
    assert not (tmp_path / "results").exists()
