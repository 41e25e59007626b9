"""`results.jsonl`: a header, then a line for each finished trial. What reports are made from, and nothing else.

The first line names the schema and its version; a reader refuses versions that it doesn't know. A line is written as
its trial ends, so that an interrupted run keeps what it has; the last line may be torn, and is no result then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError

from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment.scenario import Scenario
from streamlanes.benchmarks.machine.environment import Environment
from streamlanes.benchmarks.trial.target import TargetInfo
from streamlanes.producers.visible import visible_json

FILE: Final = "results.jsonl"
SCHEMA: Final = "streamlanes.results"
VERSION: Final = 3


class ResultsError(Exception):
    """The file isn't one of results that this version can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceInfo:
    """The recorded trace of a run."""

    file: str
    sha256: str
    speed: float
    sessions: int
    skipped: int
    out_of_order: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """How fast the engine takes a lane's wire from a server that does nothing else."""

    rate: float
    """Events per second."""
    exempt: bool
    """A request for each batch: the round trips set the pace, and no ceiling is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What was run, where."""

    schema: Literal["streamlanes.results"] = SCHEMA
    version: Literal[3] = VERSION
    started: str
    """UTC, ISO 8601."""
    command: str
    """Command that repeats the run; empty if no command ran it."""
    scenario: Scenario
    """Scenario as it was run; a text, which may be long, only by its hash."""
    text_sha256: str | None = None
    trace: TraceInfo | None = None
    trials: int
    """Number of trials that were planned; a search may take more."""
    environment: Environment
    ceilings: Mapping[str, Ceiling] = field(default_factory=dict)
    """Ceilings by the contestant's name, of runs with saturated trials."""
    target: TargetInfo | None = None
    """None: each trial had a server of its own."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Lanes that `all` would have, and why the engine can't measure them."""


class Run(NamedTuple):
    """The results of a run, finished or interrupted."""

    header: Header
    results: Sequence[Result]


_HEADER: Final = TypeAdapter(Header)
_RESULT: Final = TypeAdapter(Result)


def create(folder: Path, header: Header) -> None:
    """Start a run's results. Raises FileExistsError if there are some already."""
    with (folder / FILE).open("xb") as file:
        file.write(_HEADER.dump_json(header) + b"\n")


def append(folder: Path, result: Result) -> None:
    """Add a finished trial."""
    with (folder / FILE).open("ab") as file:
        file.write(_RESULT.dump_json(result) + b"\n")


def read_ended(folder: Path) -> Run:
    """Read the results of a run that has some. Raises ResultsError, also if none of its trials had ended."""
    run = read(folder)
    if not run.results:
        again = f"; run it again: {run.header.command}" if run.header.command else ""
        raise ResultsError(f"none of its trials had ended, of {run.header.trials}{again}")
    return run


def read(folder: Path) -> Run:
    """Read a run's results. Raises ResultsError, naming the line, and FileNotFoundError."""
    path = folder / FILE
    # A line that doesn't end was being written when the run was killed, or the disk was full.
    first, *rest = map(_shown, path.read_bytes().split(b"\n")[:-1] or [b""])
    _check_version(path, first)
    try:
        header = _HEADER.validate_json(first)
    except ValidationError as error:
        raise ResultsError(f"{path}, line 1: not {SCHEMA} of version {VERSION}: {error.errors()[0]['msg']}") from error
    try:
        for kind in header.scenario.parts:
            header.scenario.part(kind)
    except (ValidationError, KeyError) as error:
        raise ResultsError(f"{path}, line 1: the scenario isn't one that this release has") from error
    results: dict[str, Result] = {}
    for number, line in enumerate(rest, start=2):
        try:
            result = _RESULT.validate_json(line)
        except ValidationError as error:
            raise ResultsError(f"{path}, line {number}: {error.errors()[0]['msg']}") from error
        if results.setdefault(result.trial, result) is not result:
            raise ResultsError(f"{path}, line {number}: trial {result.trial} stands there twice")
    return Run(header, list(results.values()))


def _shown(line: bytes) -> bytes:
    """Return a line whose texts, which may be somebody else's, do nothing to a terminal."""
    return visible_json(line.decode(errors="replace")).encode()


def _check_version(path: Path, first: bytes) -> None:
    """Raise ResultsError for results of another version; what is no results at all is found out later."""
    try:
        found = json.loads(first)
    except ValueError:
        return
    if isinstance(found, dict) and found.get("schema") == SCHEMA and found.get("version") != VERSION:
        made_by = found.get("environment", {}).get("packages", {}).get("streamlanes", "another release")
        raise ResultsError(
            f"{path}: results of version {found.get('version')}; this release reads version {VERSION}: read them with "
            f"the release that made them (streamlanes {made_by}), or run it again: {found.get('command', '')}"
        )
