"""`streamlanes compare`."""

from __future__ import annotations

import hashlib
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from benchmarks.results import Result, TraceInfo
    from benchmarks.scenario import Scenario, Setting
    from benchmarks.trace import Trace
    from producers.wire import Wire

TEXT_FILE = click.Path(path_type=Path, exists=True, dir_okay=False, readable=True)


@click.command()
@click.argument("scenario", default="tokens")
@click.option("--lanes", metavar="LANE,…", help="Lanes to compare; `all` for every one. Default: sse,ws,poll,ndjson.")
@click.option("--rounds", type=int, help="Trials of each lane. Default: the scenario's; 1 with --trace.")
@click.option("--clients", type=int, help="Clients, each with a stream of its own.")
@click.option("--rate", type=float, help="Tokens per second on each stream, on average.")
@click.option("--text", type=TEXT_FILE, help="Stream this text, once, instead of the built-in sample.")
@click.option("--trace", type=TEXT_FILE, help="Start sessions as in this CSV: TIMESTAMP,ContextTokens,GeneratedTokens.")
@click.option(
    "--speed",
    type=click.FloatRange(0, 1_000_000, min_open=True),
    help="Divide the trace's arrival times by this, and nothing else.  [default: 1]",
)
@click.option("--limit", type=click.IntRange(1), help="Take the first so many requests of the trace.")
@click.option("--seed", type=int, help="Of everything random: arrivals, times between tokens, order of the lanes.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Where results go. Default: results/TIME-SCENARIO."
)
def compare(
    scenario: str,
    lanes: str | None,
    rounds: int | None,
    clients: int | None,
    rate: float | None,
    text: Path | None,
    trace: Path | None,
    speed: float | None,
    limit: int | None,
    seed: int | None,
    out: Path | None,
) -> None:
    """Measure every lane under the same load and print a table.

    SCENARIO is `tokens` (the default), `saturated`, or a TOML file. Each trial has a fresh server process; every event
    is checked against what its producer makes. Exit code: 0 if nothing was lost, repeated, reordered or changed on
    any lane, 1 otherwise, 2 if it couldn't begin, 130 after Ctrl-C (what had been measured is kept).
    """
    from rich.console import Console

    from benchmarks import results
    from benchmarks.environment import environment
    from benchmarks.processes import placement
    from benchmarks.progress import watching
    from benchmarks.report import print_report, write_summary
    from benchmarks.results import Header
    from benchmarks.run import run, seconds
    from benchmarks.schedule import schedule

    if trace is None and (speed is not None or limit is not None):
        raise click.UsageError("--speed and --limit are about a --trace; name one")
    if trace is not None and clients is not None:
        raise click.UsageError("--clients and --trace exclude each other: a trace has its own; use --limit")
    wires = _wires()
    to_run = _scenario(
        scenario,
        {
            "lanes": None if lanes is None else _names(lanes, wires),
            "load.rounds": 1 if trace is not None and rounds is None else rounds,
            "saturated.rounds": rounds,
            "load.clients": clients,
            "load.rate": rate,
            "load.text": None if text is None else _read(text),
            "seed": seed,
        },
    )
    _check_lanes(to_run.lanes, wires)
    if text is not None and to_run.load is not None:
        to_run = replace(to_run, load=replace(to_run.load, count=None))
    recorded = None if trace is None else _trace(trace, speed or 1.0, limit)
    trials = schedule(to_run, wires, recorded)
    load = next((trial for trial in trials if trial.kind == "load"), None)
    where = placement()
    header = Header(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=shlex.join(["streamlanes", *sys.argv[1:]]),
        scenario=to_run if to_run.load is None else replace(to_run, load=replace(to_run.load, text=None)),
        text_sha256=None if text is None else hashlib.sha256(text.read_bytes()).hexdigest(),
        trace=None if recorded is None or trace is None else _trace_info(trace, recorded, speed or 1.0),
        sessions=0 if load is None else len(load.sessions),
        events=0 if load is None else sum(expected.events for expected in load.expected),
        duration=0.0 if load is None else load.duration(),
        environment=environment(where),
    )
    folder = _folder(out, to_run.name)
    results.create(folder, header)

    progress = Console(stderr=True)
    stdout = Console()
    if not stdout.is_terminal:
        stdout.width = 100
    progress.print(
        f"{len(trials)} trials, about {seconds(trials):.0f} s; results in {folder}", highlight=False, soft_wrap=True
    )
    interrupted = False
    try:
        with watching(progress, trials) as observer:
            run(trials, folder, where, observer)
    except KeyboardInterrupt:
        interrupted = True
    _, finished = results.read(folder)
    if finished:
        print_report(stdout, header, finished, len(trials))
    summary = write_summary(folder, header, finished, len(trials))
    stdout.print(f"\nResults: {folder} (tables in {summary.name})", highlight=False, soft_wrap=True)
    if interrupted:
        progress.print(f"interrupted; {len(finished)} finished trials are kept in {folder}", soft_wrap=True)
        raise click.Abort
    raise click.exceptions.Exit(0 if _all_correct(finished) else 1)


def _all_correct(finished: Sequence[Result]) -> bool:
    return all(result.verdict.ok for result in finished)


def _wires() -> Mapping[str, Wire]:
    from transports import discover

    return {name: transport.wire for name, transport in discover().items()}


def _names(lanes: str, wires: Mapping[str, Wire]) -> list[str]:
    return sorted(wires) if lanes == "all" else [name for name in re.split(r"[,\s]+", lanes) if name]


def _check_lanes(lanes: Sequence[str], wires: Mapping[str, Wire]) -> None:
    """Raise BadParameter for a lane that doesn't exist, is there twice, or can't be read by the load engine."""
    from benchmarks.engine.wires import discover

    readable = discover()
    for lane in lanes:
        if lane not in wires:
            raise click.BadParameter(
                f"there is no lane {lane!r}; there are {', '.join(sorted(wires))}", param_hint="'--lanes'"
            )
        if lanes.count(lane) > 1:
            raise click.BadParameter(f"lane {lane} is named twice", param_hint="'--lanes'")
        if wires[lane] not in readable:
            raise click.BadParameter(
                f"lane {lane} writes the wire {wires[lane]!r}, which the load engine can't read: "
                f"add a reader in benchmarks/engine/wires, or leave the lane out",
                param_hint="'--lanes'",
            )


def _scenario(name: str, overrides: Mapping[str, Setting | None]) -> Scenario:
    """Load a scenario with what the options say. Raises BadParameter that names the option, or the file."""
    from benchmarks.scenario import ScenarioError, find, load

    try:
        path = find(name)
        plain = load(path)
        # --rounds is about both kinds of trials, so about those that the scenario has.
        given = {key: value for key, value in overrides.items() if value is not None}
        for kind, part in (("load", plain.load), ("saturated", plain.saturated)):
            if part is None:
                given.pop(f"{kind}.rounds", None)
        return load(path, given)
    except ScenarioError as error:
        if error.key in overrides and overrides[error.key] is not None:
            option = f"'--{error.key.rpartition('.')[2]}'"
            raise click.BadParameter(error.fault, param_hint=option) from error
        raise click.BadParameter(str(error), param_hint="'SCENARIO'") from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"can't read {path} as UTF-8 text: {error}", param_hint="'--text'") from error


def _trace(path: Path, speed: float, limit: int | None) -> Trace:
    from benchmarks.trace import TraceError, read_trace

    try:
        return read_trace(path, speed=speed, limit=limit)
    except TraceError as error:
        raise click.BadParameter(str(error), param_hint="'--trace'") from error


def _trace_info(path: Path, trace: Trace, speed: float) -> TraceInfo:
    from benchmarks.results import TraceInfo

    return TraceInfo(
        file=trace.file,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        speed=speed,
        sessions=len(trace.requests),
        skipped=trace.skipped,
        out_of_order=trace.out_of_order,
    )


def _folder(out: Path | None, scenario: str) -> Path:
    """Make the run's folder. Raises BadParameter if it can't be, or has a run in it."""
    from benchmarks.results import FILE

    folder = out or Path("results") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{scenario}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "raw").mkdir(exist_ok=True)
    except OSError as error:
        raise click.BadParameter(f"can't write to {folder}: {error.strerror}", param_hint="'--out'") from error
    if (folder / FILE).exists():
        raise click.BadParameter(f"{folder} holds a run already; name another folder", param_hint="'--out'")
    return folder
