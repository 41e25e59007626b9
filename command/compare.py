"""`streamlanes compare`."""

from __future__ import annotations

import hashlib
import math
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click
from rich.console import Console

from streamlanes.benchmarks.experiment import results
from streamlanes.benchmarks.experiment.ceiling import of_lanes
from streamlanes.benchmarks.experiment.results import Header, LaneCeiling
from streamlanes.benchmarks.experiment.run import run, seconds, width
from streamlanes.benchmarks.experiment.scenario import DEFAULT, Scenario, find
from streamlanes.benchmarks.experiment.schedule import schedule
from streamlanes.benchmarks.kinds import saturated
from streamlanes.benchmarks.kinds.saturated import Saturated
from streamlanes.benchmarks.machine.environment import environment
from streamlanes.benchmarks.machine.processes import Placement, ProcessError, placement
from streamlanes.benchmarks.report.progress import watching
from streamlanes.benchmarks.report.terminal import markdown, print_report
from streamlanes.benchmarks.report.verdicts import compared
from streamlanes.benchmarks.trial.contestants import Contestant, alone
from streamlanes.benchmarks.trial.shards import ShardError, processes
from streamlanes.benchmarks.trial.shards import cluster as on_cluster
from streamlanes.benchmarks.trial.target import environment_of
from streamlanes.benchmarks.trial.trial import Site
from streamlanes.command import lanes as lane_names
from streamlanes.command.given import folder_of, scenario_of, settings_of, trace_info, trace_of, without_text
from streamlanes.command.target import aim, without_secrets
from streamlanes.command.terminal import stdout

TEXT_FILE = click.Path(path_type=Path, exists=True, dir_okay=False, readable=True)
LONG_SECONDS = 600
QUICK_ROUNDS = 3
SUMMARY = "summary.md"
TERMINATED = 143
"""128 + SIGTERM, as shells have it."""


class Terminated(KeyboardInterrupt):
    """SIGTERM; what has been measured is kept, as after Ctrl-C."""


def _number(_ctx: click.Context, _param: click.Parameter, value: float | None) -> float | None:
    """Refuse NaN, which is in every range."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("it isn't a number")
    return value


@click.command()
@click.argument("scenario", default=DEFAULT)
@click.option("--lanes", metavar="LANE,…", help="Lanes to compare; `all` for every one.  [default: the scenario's]")
@click.option("--rounds", type=int, help="Trials of each lane; 10 and more for verdicts.  [default: the scenario's]")
@click.option("--quick", is_flag=True, help=f"{QUICK_ROUNDS} rounds: preliminary, no verdicts.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of the scenario, such as load.clients=50 or broadcast.readers=[10,100]. "
    "May be given more than once.",
)
@click.option(
    "--text",
    type=TEXT_FILE,
    help="Stream this text, once, instead of the built-in sample. With --trace, each session repeats it up to the "
    "trace's number of tokens.",
)
@click.option("--trace", type=TEXT_FILE, help="Start sessions as in this CSV: TIMESTAMP,ContextTokens,GeneratedTokens.")
@click.option(
    "--speed",
    type=click.FloatRange(0, 1_000_000, min_open=True),
    callback=_number,
    help="Divide the trace's arrival times by this, and nothing else.  [default: 1]",
)
@click.option("--limit", type=click.IntRange(1), help="Take the first so many requests of the trace.  [default: all]")
@click.option(
    "--seed", type=int, help="Of everything random: arrivals, times between tokens, order of the lanes.  [default: 1]"
)
@click.option(
    "--shards", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes of the load engine."
)
@click.option(
    "--external",
    metavar="FILE",
    help="Add the lanes of other servers that this TOML file, or `nchan`, describes; those that --lanes names, if any.",
)
@click.option(
    "--clients",
    is_flag=True,
    help="Add a row for each Python client that reads the lanes, such as sse+httpx-sse; --lanes may name them too.",
)
@click.option(
    "--target",
    metavar="URL",
    help="Measure the server that is running at URL already, from outside: without latency, and its CPU and memory.",
)
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="Send this to the --target with every request; the value isn't stored. May be given more than once.",
)
@click.option("--cluster", metavar="URL", help="Run the shards on the Dask cluster at tcp://SCHEDULER:8786.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where results go.  [default: results/TIME-SCENARIO]",
)
def compare(
    scenario: str,
    lanes: str | None,
    rounds: int | None,
    quick: bool,
    settings: tuple[str, ...],
    text: Path | None,
    trace: Path | None,
    speed: float | None,
    limit: int | None,
    seed: int | None,
    shards: int,
    external: str | None,
    clients: bool,
    target: str | None,
    headers: tuple[str, ...],
    cluster: str | None,
    out: Path | None,
) -> None:
    """Measure every lane under the same load and print a table.

    SCENARIO is one of `streamlanes scenarios` (tokens by default) or a TOML file; options take the place of what it
    says. Each trial has a fresh server process, but for that of --target; every event is checked against what its
    producer makes; the first lane is entered twice, which tells how much of a difference is chance. Exit code: 0 if
    nothing was lost, repeated, reordered or changed on any lane, 1 otherwise, 2 if it couldn't begin, 130 after Ctrl-C
    and 143 after SIGTERM (what had been measured is kept).
    """
    if trace is None and (speed is not None or limit is not None):
        raise click.UsageError("--speed and --limit are about a --trace; name one")
    if quick and rounds is not None:
        raise click.UsageError("--quick and --rounds exclude each other: --quick is --rounds 3")
    wanted = QUICK_ROUNDS if quick else 1 if trace is not None and rounds is None else rounds
    to_run = scenario_of(scenario, settings_of(settings), rounds=wanted, text=text, seed=seed)
    aimed = aim(target, headers, to_run.parts, external)
    to_run, subjects, left_out = lane_names.contest(to_run, lanes, external, aimed, clients=clients)
    if trace is not None and "load" not in to_run.parts:
        raise click.BadParameter(
            f"{find(scenario).name} has no [load] that a trace could change", param_hint="'--trace'"
        )
    recorded = None if trace is None else trace_of(trace, speed or 1.0, limit)
    trials = schedule(
        to_run,
        subjects,
        recorded,
        alone=alone(lane_names.own()) if aimed is None else None,
        side_by_side=aimed is None and cluster is None,
    )
    lane_names.check_trials([trial for together in trials for trial in together])
    count = sum(map(len, trials))
    where = placement()
    folder = folder_of(out, to_run.name)
    progress = Console(stderr=True)
    header = Header(
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=shlex.join(["streamlanes", *without_secrets(sys.argv[1:], headers)])
        .encode(errors="backslashreplace")
        .decode(),
        scenario=to_run if text is None else without_text(to_run),
        text_sha256=None if text is None else hashlib.sha256(text.read_bytes()).hexdigest(),
        trace=None if recorded is None or trace is None else trace_info(trace, recorded, speed or 1.0),
        trials=count,
        environment=environment(where) if aimed is None else environment_of(environment(where), aimed.info),
        target=None if aimed is None else aimed.info,
        ceilings=_ceilings(to_run, subjects, where, progress),
        left_out=left_out if lanes == "all" else {},
    )
    results.create(folder, header)

    announced = f"{count} trials, about {duration(seconds(trials))}; results in {folder}"
    stopped: KeyboardInterrupt | None = None
    try:
        with _sigterm():
            progress.print(announced, highlight=False, markup=False, soft_wrap=True)
            if seconds(trials) > LONG_SECONDS:
                note = (
                    f"This takes {duration(seconds(trials))}. Ctrl-C is safe: what has been measured by then is kept."
                )
                progress.print(note, style="bold", highlight=False, soft_wrap=True)
            with _engines(cluster, shards, where, width(trials)) as engines, watching(progress, count) as observer:
                run(trials, folder, [Site(where, engine, shards) for engine in engines], observer)
    except KeyboardInterrupt as signalled:
        stopped = signalled
    except ShardError as error:
        raise click.UsageError(str(error)) from error
    _, finished = results.read(folder)
    if finished:
        out_console = stdout()
        found = compared(header, finished)
        print_report(out_console, header, finished, found)
        (folder / SUMMARY).write_text(markdown(header, finished, found), encoding="utf-8")
        said = f"\nResults: {folder} (tables in {SUMMARY}); for a page: streamlanes report {folder} --html FILE"
        out_console.print(said, highlight=False, markup=False, soft_wrap=True)
    if stopped is not None:
        kept = "1 finished trial is" if len(finished) == 1 else f"{len(finished)} finished trials are"
        nothing = "interrupted before the first trial had ended; nothing was measured"
        ended = f"interrupted; {kept} kept in {folder}" if finished else nothing
        progress.print(ended, highlight=False, markup=False, soft_wrap=True)
        raise click.exceptions.Exit(TERMINATED) if isinstance(stopped, Terminated) else click.Abort
    raise click.exceptions.Exit(0 if all(result.verdict.ok for result in finished) else 1)


def _ceilings(
    to_run: Scenario, subjects: Sequence[Contestant], where: Placement, progress: Console
) -> dict[str, LaneCeiling]:
    part = to_run.part(saturated.NAME) if saturated.NAME in to_run.parts else None
    if not isinstance(part, Saturated):
        return {}
    progress.print("measuring the load engine's own ceiling", highlight=False)
    try:
        return of_lanes(subjects, where, part)
    except (ProcessError, ShardError, ValueError) as error:
        raise click.UsageError(f"the load engine's ceiling can't be measured: {error}") from error


@contextmanager
def _engines(cluster: str | None, shards: int, where: Placement, count: int) -> Iterator[list[Executor]]:
    """Give an executor for each of *count* trials that are run side by side."""
    with ExitStack() as stack:
        if cluster is not None:
            yield [stack.enter_context(on_cluster(cluster))] * count
        else:
            cpus = None if where.engine is None else [where.engine]
            yield [stack.enter_context(processes(shards, cpus)) for _ in range(count)]


def duration(seconds: float) -> str:
    """Return *seconds* as people say it."""
    if seconds <= LONG_SECONDS:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


@contextmanager
def _sigterm() -> Iterator[None]:
    """Raise Terminated on SIGTERM until the block ends."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
