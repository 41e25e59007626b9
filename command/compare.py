"""`streamlanes compare`: options become an experiment, what it raises becomes messages, what it found is printed."""

from __future__ import annotations

import re
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final, Literal

import click
from rich.console import Console

from streamlanes.benchmarks.experiment import results
from streamlanes.benchmarks.experiment.errors import ExperimentError
from streamlanes.benchmarks.experiment.plan import Experiment, plan
from streamlanes.benchmarks.experiment.results import Run
from streamlanes.benchmarks.experiment.run import run
from streamlanes.benchmarks.experiment.scenario import DEFAULT
from streamlanes.benchmarks.machine.resources import HarnessError
from streamlanes.benchmarks.report.progress import watching
from streamlanes.benchmarks.report.terminal import markdown, print_report
from streamlanes.benchmarks.report.verdicts import compared
from streamlanes.command.compare_options import headers_of, positive, settings_of, text_of, without_secrets
from streamlanes.command.output import MACHINE
from streamlanes.command.terminal import stdout

TEXT_FILE = click.Path(path_type=Path, exists=True, dir_okay=False, readable=True)
QUICK_ROUNDS = 3
SUMMARY = "summary.md"
TERMINATED = 143
"""128 + SIGTERM, as shells have it."""
OPTIONS: Final = {
    "scenario": "'SCENARIO'",
    "lanes": "'--lanes'",
    "rounds": "'--rounds'",
    "settings": "'--set'",
    "seed": "'--seed'",
    "text": "'--text'",
    "trace": "'--trace'",
    "external": "'--external'",
    "target": "'--target'",
    "folder": "'--out'",
    "shards": "'--shards'",
    "cluster": "'--cluster'",
}
"""Names of the options by the parameters of `plan` and `run` that they become."""


class Terminated(KeyboardInterrupt):
    """SIGTERM; what has been measured is kept, as after Ctrl-C."""


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
@click.option(
    "--trace",
    type=TEXT_FILE,
    help="Start sessions as in this CSV, gzipped or not: TIMESTAMP,ContextTokens,GeneratedTokens.",
)
@click.option(
    "--speed",
    type=click.FloatRange(0, 1_000_000, min_open=True),
    callback=positive,
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
    nothing was lost, repeated, reordered or changed on any lane, 1 otherwise, 2 if it couldn't begin, 3 if the machine
    has too little of something (disk, open files), 130 after Ctrl-C and 143 after SIGTERM (what had been measured is
    kept).
    """
    if trace is None and (speed is not None or limit is not None):
        raise click.UsageError("--speed and --limit are about a --trace; name one")
    if quick and rounds is not None:
        raise click.UsageError("--quick and --rounds exclude each other: --quick is --rounds 3")
    if target is None and headers:
        raise click.UsageError("--header is about a --target; name one")
    progress = Console(stderr=True)
    with _errors_as_messages():
        experiment = plan(
            scenario,
            lanes=_named(lanes),
            rounds=QUICK_ROUNDS if quick else 1 if trace is not None and rounds is None else rounds,
            settings=settings_of(settings),
            seed=seed,
            text=None if text is None else text_of(text),
            trace=trace,
            speed=speed or 1.0,
            limit=limit,
            clients=clients,
            external=external,
            target=target,
            headers=headers_of(headers),
            shards=shards,
            cluster=cluster,
        )
        folder = out or Path("results") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{experiment.scenario.name}"
        stopped = _run(experiment, folder, progress, without_secrets(sys.argv[1:], headers))
    if stopped is not None:
        _tell(stopped, folder, progress)
        raise _exit(stopped)
    found = results.read(folder)
    _print(found, folder)
    raise click.exceptions.Exit(0 if all(result.correctness.ok for result in found.results) else 1)


def _tell(stopped: KeyboardInterrupt | HarnessError, folder: Path, progress: Console) -> None:
    """Print what had been measured until then, and why there is no more."""
    found = _kept(folder)
    finished = 0 if found is None else len(found.results)
    if found is not None and finished:
        _print(found, folder)
    how = str(stopped) or "interrupted"
    kept = "1 finished trial is" if finished == 1 else f"{finished} finished trials are"
    nothing = f"{how} before the first trial had ended; nothing was measured"
    said = f"{how}; {kept} kept in {folder}" if finished else nothing
    progress.print(said, highlight=False, markup=False, soft_wrap=True)


def _kept(folder: Path) -> Run | None:
    """Return what a run that was stopped has left; None if it hadn't begun."""
    try:
        return results.read(folder)
    except (FileNotFoundError, results.ResultsError):
        return None


def _exit(stopped: KeyboardInterrupt | HarnessError) -> Exception:
    match stopped:
        case HarnessError():
            return click.exceptions.Exit(MACHINE)
        case Terminated():
            return click.exceptions.Exit(TERMINATED)
        case _:
            return click.Abort()


def _run(
    experiment: Experiment, folder: Path, progress: Console, words: Sequence[str]
) -> KeyboardInterrupt | HarnessError | None:
    """Run it, and return what stopped it early, if anything did."""
    command = shlex.join(["streamlanes", *words]).encode(errors="backslashreplace").decode()
    try:
        with _sigterm(), watching(progress, experiment.count) as observer:
            run(experiment, folder, observer, command=command)
    except KeyboardInterrupt as stopped:
        return stopped
    except HarnessError as lacking:
        return HarnessError(f"broken off ({lacking})")
    return None


def _print(found: Run, folder: Path) -> None:
    """Print the report, and keep its tables with the results."""
    console = stdout()
    comparisons = compared(*found)
    with suppress(OSError):  # a disk that is full; the results are what counts
        (folder / SUMMARY).write_text(markdown(*found, comparisons), encoding="utf-8")
    print_report(console, *found, comparisons)
    said = f"\nResults: {folder} (tables in {SUMMARY}); for a page: streamlanes report {folder} --html FILE"
    console.print(said, highlight=False, markup=False, soft_wrap=True)


def _named(lanes: str | None) -> Sequence[str] | Literal["all"] | None:
    if lanes is None or lanes == "all":
        return lanes
    return [name for name in re.split(r"[,\s]+", lanes) if name]


@contextmanager
def _errors_as_messages() -> Iterator[None]:
    """Raise what is wrong with an experiment as BadParameter, which names the option."""
    try:
        yield
    except ExperimentError as error:
        raise click.BadParameter(error.fault, param_hint=OPTIONS[error.parameter]) from error


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
