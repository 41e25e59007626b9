"""`results.jsonl`: a header, then a line for each finished trial. What reports are made from, and nothing else.

The first line names the schema and its version; a reader refuses versions that it doesn't know. A line is written as
its trial ends, so that an interrupted run keeps what it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from benchmarks.caveats import Caveat
from benchmarks.environment import Environment
from benchmarks.gate import Verdict
from benchmarks.records import Kind
from benchmarks.scenario import Scenario
from benchmarks.usage import BUSY, Usage

FILE: Final = "results.jsonl"
SCHEMA: Final = "streamlanes.results"
VERSION: Final = 1


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
class Header:
    """What was run, where."""

    schema: Literal["streamlanes.results"] = SCHEMA
    version: Literal[1] = VERSION
    started: str
    """UTC, ISO 8601."""
    command: str
    """That repeats the run."""
    scenario: Scenario
    """Without the text, which may be long."""
    text_sha256: str | None
    trace: TraceInfo | None
    sessions: int
    """Of a load trial."""
    events: int
    """Of a load trial, in the first round."""
    duration: float
    """Seconds from a load trial's start to when its last event is due, in the first round."""
    environment: Environment
    ways_up: Mapping[str, str] = field(default_factory=dict)
    """Of round-trip trials: how the engine sends, by lane."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Lanes that `all` would have, and why the engine can't measure them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFigures:
    """Of a load trial that passed the gate. Histograms are of nanoseconds, HdrHistogram V2 in base64."""

    latency: str
    lag: str
    queueing: str
    delivery: str
    first_event: str
    pause: str
    """From a stream's creation to its first event being due: the producer's part of the time to first event."""
    connect: str
    start_lag: str
    """How much later than scheduled the engine started the sessions."""
    samples: int
    """Independent ones, of the first four: an event is one, however many readers it is delivered to."""
    in_time: int
    """Deliveries within the scenario's deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RttFigures:
    """Of a round-trip trial that passed the gate; histograms as in LoadFigures, a value for each message."""

    total: str
    held: str
    lag: str
    up: str
    down: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One trial."""

    trial: str
    """Its folder in `raw/`."""
    kind: Kind
    lane: str
    round: int
    readers: int
    events: int
    """Received, by all readers."""
    verdict: Verdict
    window_ns: int
    """From the start of the clock to the last reader's end."""
    server: Usage
    engine: Usage
    load: LoadFigures | None
    """Of load trials that are correct."""
    rtt: RttFigures | None = None
    """Of round-trip trials that are correct."""
    caveats: tuple[Caveat, ...]

    @property
    def overloaded(self) -> bool:
        """Whether the server was without reserve under load, so that latencies are of its backlog.

        That is: in some second of the trial it was busy, running or waiting for its CPU, for more than 90 % of it.
        """
        return self.kind != "saturated" and (self.server.busiest or 0) > BUSY


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


def read(folder: Path) -> tuple[Header, Sequence[Result]]:
    """Read a run's results. Raises ResultsError, naming the line, and FileNotFoundError."""
    path = folder / FILE
    first, *rest = path.read_bytes().splitlines() or [b""]
    try:
        header = _HEADER.validate_json(first)
    except ValidationError as error:
        raise ResultsError(f"{path}, line 1: not {SCHEMA} of version {VERSION}: {error.errors()[0]['msg']}") from error
    results: list[Result] = []
    for number, line in enumerate(rest, start=2):
        try:
            results.append(_RESULT.validate_json(line))
        except ValidationError as error:
            raise ResultsError(f"{path}, line {number}: {error.errors()[0]['msg']}") from error
    return header, results
