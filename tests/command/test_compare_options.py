"""What `streamlanes compare` accepts, what it says before it measures, and how it is stopped."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from rich.console import Console

from streamlanes.benchmarks.experiment import results
from streamlanes.benchmarks.experiment.summarise import summarise
from streamlanes.benchmarks.kinds import Part
from streamlanes.benchmarks.kinds.load import Load
from streamlanes.benchmarks.kinds.saturated import Saturated
from streamlanes.benchmarks.report.progress import duration, watching
from streamlanes.benchmarks.trial.contestants import Lane
from streamlanes.benchmarks.trial.trial import TrialPlan
from streamlanes.transports import baselines, discover
from tests.benchmarks.living import left_of, marked
from tests.benchmarks.raw import write_raw

COMMAND = [sys.executable, "-m", "streamlanes", "compare"]

UNKNOWN_WIRE = """
from dataclasses import dataclass

from fastapi import APIRouter

from streamlanes.producers.wire import Wire


@dataclass(frozen=True)
class Strange:
    name: str = "strange"
    wire: Wire = Wire("pigeon")

    def router(self, service: object) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/strange/{stream}", lambda stream: stream, name=self.name)
        return router


TRANSPORT = Strange()
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text("[load]\nrounds = 1\nclients = 2\nspread = 0\ncount = 5\nrate = 500\nttft = 0.01\n")
    return path


def run_main(*arguments: str | Path, verb: str = "compare") -> int | str | None:
    """Run the command in this process and return its exit code."""
    from streamlanes.__main__ import main

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["streamlanes", verb, *map(str, arguments)])
        with pytest.raises(SystemExit) as raised:
            main()
    return raised.value.code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lanes", "sse,foo"], "there is no lane 'foo'; there are floor, floor-poll, floor-ws, ndjson, poll, "),
        (["--lanes", "sse,sse"], "named twice"),
        (["--lanes", ""], "'--lanes': name one lane or more, such as sse,ws, or all"),
        (["--rounds", "0"], "'--rounds': input should be greater than or equal to 1"),
        (["--quick", "--rounds", "2"], "--quick and --rounds exclude each other"),
        (["--set", "load.rate=-1"], "'--set': load.rate: input should be greater than or equal to 0.1 (it is '-1')"),
        (["--set", "load.rte=1"], "'--set': load.rte: no such setting; there are rounds, clients"),
        (["--set", "load.rate=fast"], "'--set': load.rate: input should be a valid number"),
        (["--set", "load.clients"], "'--set': 'load.clients' isn't KEY=VALUE, such as load.clients=50"),
        (["--set", "=5"], "'=5' isn't KEY=VALUE"),
        (["--set", "rtt.rate=5"], "'--set': rtt.rate: tokens.toml has no [rtt] to change this in"),
        (["--set", "slo.speed=5"], "'--set': slo.speed: tokens.toml has no [slo]"),
        (["telemetry", "--set", "slo.speed=5"], "'--set': slo.speed: no such metric"),
        (["telemetry", "--set", "broadcast.readers=[2,0]"], "'--set': broadcast.readers: input should be greater than"),
        (["--shards", "0"], "'--shards': 0 is not in the range"),
        (["--text", "absent.txt"], "'--text': File 'absent.txt' does not exist"),
        (["--text", "empty.txt"], "'--text': it is empty; there is nothing to stream"),
        (["--text", "long.txt"], "'--text': it has 1,000,001 characters; a stream takes"),
        (["--trace", __file__], "line 1: expected the columns"),
        (["--speed", "2"], "name one"),
        (["--out", __file__], "is a file"),
        (["--out", f"{__file__}/below"], "can't write to"),
        (["nosuch"], "there is no scenario 'nosuch'"),
        (["saturated", "--set", "load.clients=2"], "saturated.toml has no [load]"),
        (["rtt", "--text", __file__], "'--text': rtt has no [load] that would stream a text"),
        (["rtt", "--set", "rtt.clients=0"], "'--set': rtt.clients: input should be greater than or equal to 1"),
        (["saturated", "--trace", __file__], "'--trace': saturated has no table of which a trace"),
    ],
)
def test_bad_input(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").touch()
    Path("long.txt").write_text("a" * 1_000_001)
    assert run_main(*arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not captured.out
    assert not (tmp_path / "results").exists()


def test_a_cluster_that_is_not_there(tmp_path: Path, scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(scenario, "--out", tmp_path / "out", "--cluster", "nonsense://") == 2
    assert "there is no Dask scheduler at nonsense://" in capsys.readouterr().err


def test_settings_and_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is run is what the options say; the first lane is entered twice where there is more than one round."""
    monkeypatch.setattr("streamlanes.benchmarks.experiment.run.run_trials", lambda *_: None)
    monkeypatch.setattr("streamlanes.benchmarks.experiment.run._ceilings", lambda *_: {})
    for number, (options, rounds, again) in enumerate(
        [([], 3, 1), (["--quick"], 3, 1), (["--rounds", "1"], 1, 0), (["--rounds", "12"], 12, 1)]
    ):
        out = tmp_path / str(number)
        settings = ["--set", "load.clients=3", "--set", "load.text=a = b", "--set", "lanes=['ws', 'sse']"]
        settings += ["--set", "saturated.events=100"]
        monkeypatch.setattr("streamlanes.benchmarks.experiment.run._engines", lambda *_: nullcontext([]))
        assert run_main(*settings, *options, "--out", out) == 0
        header, finished = results.read(out)
        assert header.scenario.lanes == ("ws", "sse")
        assert (header.scenario.parts["load"]["clients"], header.scenario.parts["load"]["text"]) == (3, "a = b")
        assert {part["rounds"] for part in header.scenario.parts.values()} == ({1, 3} if not options else {rounds})
        of_saturated = 1 if not options else rounds
        assert header.trials == (2 + again) * (rounds + of_saturated)
        assert not finished


@pytest.mark.parametrize("package", ["rich", "aiohttp", "hdrh", "fastapi", "pydantic"])
def test_without_the_extra(package: str, tmp_path: Path) -> None:
    program = (
        f"import sys; sys.modules[{package!r}] = None; from streamlanes.__main__ import main; "
        "sys.argv[0] = 'streamlanes'; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "compare"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert f"isn't installed ({package}" in done.stderr
    assert "pip install 'streamlanes[bench]'" in done.stderr
    assert done.stderr.count("\n") == 1
    helped = subprocess.run(
        [sys.executable, "-c", program, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (helped.returncode, helped.stderr) == (0, "")


def test_help_states_the_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("--help") == 0
    text = " ".join(capsys.readouterr().out.split())
    for told in (
        "Lanes to compare; `all` for every one. [default: the scenario's]",
        "10 and more for verdicts. [default: the scenario's]",
        "3 rounds: preliminary, no verdicts.",
        "such as load.clients=50 or broadcast.readers=[10,100]",
        "Processes of the load engine. [default: 1;",
        "[default: 1]",
        "[default: results/TIME-SCENARIO]",
    ):
        assert told in text
    assert "With --trace, each session repeats it up to the trace's number of tokens" in text


def test_all_lanes_leaves_out_what_the_engine_cannot_read(
    tmp_path: Path, scenario: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    metadata = tmp_path / "strange-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: strange\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[streamlanes.transports]\nstrange = strange_lane:TRANSPORT\n")
    (tmp_path / "strange_lane.py").write_text(UNKNOWN_WIRE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("streamlanes.benchmarks.experiment.run.run_trials", lambda *_: None)
    monkeypatch.setattr("streamlanes.benchmarks.experiment.run._engines", lambda *_: nullcontext([]))
    assert run_main(scenario, "--out", tmp_path / "out", "--lanes", "strange") == 2
    assert "the load engine can't read" in capsys.readouterr().err
    assert run_main(scenario, "--out", tmp_path / "out", "--lanes", "all") == 0
    header, _ = results.read(tmp_path / "out")
    assert header.left_out == {"strange": "wire 'pigeon', which the load engine can't read"}
    assert {*header.scenario.lanes} == {*discover(), *baselines.discover()} - {"strange"}


@pytest.mark.parametrize(
    ("number", "code", "finished"), [(signal.SIGINT, 130, 1), (signal.SIGTERM, 143, 1), (signal.SIGINT, 130, 0)]
)
def test_stopped(tmp_path: Path, scenario: Path, number: signal.Signals, code: int, finished: int) -> None:
    out = tmp_path / "out"
    command = [*COMMAND, str(scenario), "--out", str(out), "--rounds", "50", "--shards", "2"]
    env = marked()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as running:
        assert running.stderr is not None
        until = "1/" if finished else "250 trials"  # of five rows
        while not running.stderr.readline().startswith(until):
            assert running.poll() is None
        running.send_signal(number)
        stdout, stderr = running.communicate(timeout=20)
    assert running.returncode == code
    assert "Traceback" not in stderr
    assert (out / "summary.md").is_file() == bool(finished)
    if finished:
        assert "incomplete run: " in stdout
        assert "tables in summary.md" in stdout
        kept = len(results.read(out)[1])
        assert f"interrupted; {kept} finished trial{' is' if kept == 1 else 's are'} kept in {out}" in stderr
    else:
        assert "interrupted before the first trial had ended; nothing was measured" in stderr
        assert not stdout
    assert left_of(env) == []


def test_width_when_piped(
    tmp_path: Path, scenario: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run = subprocess.run(
        [*COMMAND, str(scenario), "--out", str(out), "--lanes", "sse"], capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr
    for columns, width in (None, 100), ("80", 80), ("nonsense", 100), ("0", 100):
        monkeypatch.delenv("COLUMNS", raising=False)
        if columns is not None:
            monkeypatch.setenv("COLUMNS", columns)
        assert run_main(out, verb="report") == 0
        tables, _, caveats = capsys.readouterr().out.partition("Caveats:")
        assert max(len(line.rstrip()) for line in tables.splitlines()) <= width
        assert width - 20 < max(len(line.rstrip()) for line in caveats.splitlines()) <= width


@pytest.mark.parametrize(
    ("seconds", "text"), [(43.4, "43 s"), (599, "599 s"), (601, "10 min"), (23_042, "6 h 24 min"), (3_600, "1 h 0 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def plan(part: Part) -> TrialPlan:
    (workload,) = part.workloads(seed=1, round_number=1)
    return TrialPlan(contestant=Lane(name="sse", lane="sse", reader="sse"), workload=workload, round=1, seed=1)


def test_bars_show_how_long_a_trial_takes() -> None:
    trials = [plan(Load(clients=2)), plan(Saturated(events=100, seconds=5))]
    shown = []
    for trial in trials:
        console = Console(file=io.StringIO(), force_terminal=True, width=100)
        with watching(console, len(trials)) as observer:
            observer.started([trial])
            observer.going_on(0.5)
        assert isinstance(console.file, io.StringIO)
        shown.append(console.file.getvalue())
    assert "load sse, round 1" in shown[0]
    assert f"{trials[0].workload.duration:.0f} s" in shown[0]
    assert "saturated sse, round 1" in shown[1]
    assert "5 s" in shown[1]
    assert all("0/2" in text for text in shown)


def test_a_line_for_each_finished_trial(tmp_path: Path) -> None:
    trials = [plan(Load(clients=2))] * 2
    console = Console(file=io.StringIO(), width=100)
    with watching(console, len(trials)) as observer:
        observer.started(trials[:1])
        observer.going_on(0.5)
        observer.finished(summarise(write_raw(tmp_path / "1")))
        observer.finished(summarise(write_raw(tmp_path / "2", offsets=[1, 3])))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "1/2 load sse, round 1: 3 events",
        "2/2 load sse, round 1: REFUSED: 1 lost",
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--trace", "TRACE", "--speed", "nan"], "--speed"),
        (["--out", "USED"], "holds something already"),
        (["--out", ""], "holds something already"),
        (["--out", "\udcff"], "isn't UTF-8"),
        (["EVIL"], "name"),
        (["NESTED"], "not TOML"),
    ],
)
def test_what_cannot_be_run_is_said_in_a_line_before_anything_is_written(
    tmp_path: Path,
    arguments: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,1,1\n")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "raw").mkdir()
    (tmp_path / "evil.toml").write_text('name = "../../evil"\n[load]\n')
    (tmp_path / "nested.toml").write_text("a = " + "[" * 5000)
    names = {"TRACE": "t.csv", "USED": "used", "EVIL": "evil.toml", "NESTED": "nested.toml"}
    before = sorted(tmp_path.rglob("*"))
    assert run_main(*(names.get(argument, argument) for argument in arguments)) == 2
    said = capsys.readouterr().err
    assert told in said
    assert len(said.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before
