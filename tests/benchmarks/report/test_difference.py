"""Two runs against each other, and `streamlanes diff`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from streamlanes.benchmarks.analysis.gate import Correctness
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment import results
from streamlanes.benchmarks.experiment.results import Header, Run
from streamlanes.benchmarks.report.difference import difference, unlike
from streamlanes.benchmarks.spec.role import Role
from streamlanes.command.cli import cli
from tests.benchmarks.synthetic import header, run

LEVELS = {"sse": 3.0, "ws": 4.0}
CPU = "server_us_per_event"


def as_run(trials: Sequence[Result]) -> Run:
    return Run(header=header(), results=trials)


def two(later: Mapping[str, float], **options: int) -> tuple[Run, Run]:
    """Return a run at LEVELS, and one at *later*."""
    return as_run(steady(LEVELS, seed=1)), as_run(steady(later, seed=2, **options))


def steady(levels: Mapping[str, float], *, seed: int, rounds: int = 10) -> list[Result]:
    """Return a run whose rounds have no mood of their own: two runs have no rounds in common that could cancel it."""
    trials = run({**levels, "mood": 1.0}, metrics=[CPU], noise=0.005, seed=seed, rounds=rounds)
    moods = {trial.round: trial.figures[CPU] for trial in trials if trial.lane == "mood"}
    return [
        replace(trial, figures={CPU: trial.figures[CPU] / moods[trial.round]})
        for trial in trials
        if trial.lane != "mood"
    ]


def test_two_runs_of_the_same_have_no_difference() -> None:
    found = difference(*two(LEVELS))
    assert [(entry.lane, entry.verdict) for entry in found.entries] == [("sse", "equivalent"), ("ws", "equivalent")]
    assert not found.is_worse
    assert not found.left_out


def test_what_became_worse_and_better() -> None:
    found = difference(*two({"sse": 3.6, "ws": 3.0}))
    sse, ws = found.entries
    assert (sse.verdict, ws.verdict) == ("worse", "better")
    assert sse.median_reference == pytest.approx(3.0, rel=0.02)
    assert sse.median_lane == pytest.approx(3.6, rel=0.02)
    assert sse.low < 1.2 < sse.high
    assert found.is_worse
    assert not difference(*two({"sse": 3.0, "ws": 3.0})).is_worse


def test_a_difference_within_the_margin_is_none() -> None:
    found = difference(*two({"sse": 3.06, "ws": 4.0}))
    assert found.entries[0].p_adjusted < 0.05
    assert found.entries[0].verdict == "equivalent"


def test_the_noisier_run_makes_the_margin() -> None:
    before, after = two({"sse": 3.6, "ws": 4.0})
    for again in (before, after):
        noisy = [replace(trial, lane="sse~again", role=Role.AGAIN) for trial in steady({"sse": 4.2}, seed=3)]
        pair = (before._replace(results=[*before.results, *noisy]), after)
        if again is after:
            noisy = [replace(trial, lane="sse~again", role=Role.AGAIN) for trial in steady({"sse": 5.0}, seed=3)]
            pair = (before, after._replace(results=[*after.results, *noisy]))
        found = difference(*pair)
        assert [entry.lane for entry in found.entries] == ["sse", "ws"]
        assert found.entries[0].margin > 0.3
        assert found.entries[0].verdict == "equivalent"


def test_few_rounds_are_preliminary() -> None:
    before, after = two({"sse": 6.0, "ws": 4.0}, rounds=5)
    found = difference(before, after)
    assert {(entry.rounds, entry.verdict) for entry in found.entries} == {(5, "preliminary")}
    assert not found.is_worse


def test_a_lane_that_loses_events_is_worse() -> None:
    before, after = two(LEVELS)
    lossy = [
        replace(trial, correctness=Correctness(lost=1)) if trial.lane == "ws" else trial
        for trial in steady(LEVELS, seed=2)
    ]
    found = difference(before, after._replace(results=lossy))
    assert found.broken == ("ws, load: refused in B, and not in A",)
    assert found.is_worse
    assert "B: ws, load, round 3: refused, so not compared: 1 lost (raw/load-3-ws)" in found.left_out
    back = difference(after._replace(results=lossy), before)
    assert not back.broken
    assert not back.is_worse


def test_a_lane_that_is_overloaded_now() -> None:
    before, after = two(LEVELS)
    busy = [replace(trial, overloaded=trial.lane == "ws") for trial in steady(LEVELS, seed=2)]
    found = difference(before, after._replace(results=busy))
    assert found.broken == ("ws, load: overloaded in B, and not in A",)
    lossy = [replace(trial, correctness=Correctness(lost=1)) for trial in busy if trial.lane == "ws"]
    worse = difference(after._replace(results=busy), after._replace(results=lossy))
    assert worse.broken == ("ws, load: refused in B, overloaded in A",)


def test_lanes_of_one_run_only_are_named() -> None:
    before, after = two({"sse": 3.0})
    assert difference(before, after).left_out == (
        "load, ws: an interval needs 2 rounds, and there are 0: server_us_per_event",
    )


def changed(**fields: object) -> Header:
    base = header()
    return replace(base, environment=replace(base.environment, **fields))  # type: ignore[arg-type]


def test_environments_that_cannot_be_compared() -> None:
    base = header()
    assert not unlike(base, header())
    for field in ("cpu", "kernel", "python", "event_loop", "governor"):
        (line,) = unlike(base, changed(**{field: "another"}))
        assert line == f"{field}: {getattr(base.environment, field)} | another"
    bbr = {**base.environment.sysctls, "net.ipv4.tcp_congestion_control": "bbr"}
    assert len(unlike(base, changed(sysctls=bbr))) == (base.environment.sysctls != bbr)
    other = {**base.environment.packages, "uvicorn": "0.1", "new": "1"}
    assert [line.partition(":")[0] for line in unlike(base, changed(packages=other))] == [
        "packages.uvicorn",
        "packages.new",
    ]


def test_loads_that_cannot_be_compared() -> None:
    base = replace(header(), scenario=replace(header().scenario, parts={"load": {"rate": 50}}))
    faster = replace(base, scenario=replace(base.scenario, parts={"load": {"rate": 60}}))
    assert unlike(base, faster) == ["scenario.parts.load.rate: 50 | 60"]
    assert unlike(base, replace(base, text_sha256="1")) == ["text: None | 1"]
    assert unlike(base, replace(base, scenario=replace(base.scenario, seed=2))) == ["scenario.seed: 1 | 2"]


def test_what_may_differ() -> None:
    """The boot, the program under test, the lanes and the rounds."""
    base = header()
    other = changed(boot_id="2", time_namespace="3", packages={**base.environment.packages, "streamlanes": "9"})
    rounds = replace(other, scenario=replace(base.scenario, lanes=("sse",), parts={"load": {"rounds": 12}}))
    assert not unlike(replace(base, scenario=replace(base.scenario, parts={"load": {"rounds": 3}})), rounds)


class Disk:
    """Runs by folder, in the place of what `results.read` reads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._runs: dict[Path, Run] = {}

    def add(self, name: str, run: Run) -> str:
        folder = self._root / name
        folder.mkdir()
        self._runs[folder] = run
        return str(folder)

    def read(self, folder: Path) -> Run:
        return self._runs[folder]


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk(tmp_path)
    monkeypatch.setattr(results, "read", disk.read)
    return disk


def test_the_verb(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    before, same = two(LEVELS)
    _, worse = two({"sse": 3.6, "ws": 4.0})
    a, b, c = disk.add("a", before), disk.add("b", same), disk.add("c", worse)
    calm = CliRunner().invoke(cli, ["diff", a, b])
    assert calm.exit_code == 0
    assert calm.stdout.splitlines()[-1] == "2 equivalent"
    told = CliRunner().invoke(cli, ["diff", a, c])
    assert told.exit_code == 1
    assert told.stdout.splitlines()[-1] == "1 worse, 1 equivalent"
    row = next(line.split() for line in told.stdout.splitlines() if line.strip().startswith("sse,"))
    assert row[:4] == ["sse,", "load", "server", "µs/event"]
    assert row[-1] == "worse"
    assert float(row[6]) == pytest.approx(1.2, rel=0.01)
    markdown = CliRunner().invoke(cli, ["diff", a, c, "--markdown"])
    assert markdown.exit_code == 1
    assert "**1 worse, 1 equivalent**" in markdown.stdout
    assert "| sse, load | server µs/event | 3.0" in markdown.stdout


def test_the_verb_in_80_columns(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    before, worse = two({"sse": 3.6, "ws": 4.0})
    told = CliRunner().invoke(cli, ["diff", disk.add("a", before), disk.add("b", worse)])
    assert max(len(line.rstrip()) for line in told.stdout.splitlines()) <= 80
    assert "equivalent" in told.stdout


def test_the_verb_refuses(disk: Disk) -> None:
    before, after = two({"sse": 3.6, "ws": 4.0})
    a = disk.add("a", before)
    b = disk.add("b", after._replace(header=changed(kernel="Linux 0.1")))
    refused = CliRunner().invoke(cli, ["diff", a, b])
    assert refused.exit_code == 2
    assert "kernel: " in refused.stderr
    assert "| Linux 0.1" in refused.stderr
    anyway = CliRunner().invoke(cli, ["diff", a, b, "--anyway"])
    assert anyway.exit_code == 1
    assert "Linux 0.1" in anyway.stderr


def test_the_verb_on_something_else(tmp_path: Path) -> None:
    nothing = CliRunner().invoke(cli, ["diff", str(tmp_path), str(tmp_path)])
    assert nothing.exit_code == 2
    assert "no results of a run" in nothing.stderr
    (tmp_path / results.FILE).write_text("{}\n")
    other = CliRunner().invoke(cli, ["diff", str(tmp_path), str(tmp_path)])
    assert other.exit_code == 2
    assert "line 1" in other.stderr


def test_the_verb_on_runs_that_have_nothing_to_compare(disk: Disk) -> None:
    """A gate must not take that for a pass."""
    before, after = two(LEVELS)
    empty = disk.add("empty", before._replace(results=[]))
    nothing = CliRunner().invoke(cli, ["diff", empty, disk.add("after", after)])
    assert nothing.exit_code == 2
    assert "none of its trials had ended" in " ".join(nothing.stderr.split())
    lost = [replace(one, correctness=Correctness(lost=1), figures={}, histograms={}) for one in before.results]
    refused = [disk.add(name, before._replace(results=lost)) for name in ("one", "two")]
    same = CliRunner().invoke(cli, ["diff", *refused])
    assert (same.exit_code, same.stdout.splitlines()[-1]) == (2, "nothing could be compared")
    told = CliRunner().invoke(cli, ["report", empty])
    assert told.exit_code == 2
    assert "none of its trials had ended" in " ".join(told.stderr.split())
