"""Raw results of one trial on disk: the interface between the load engine, the trial and everything after.

A trial's folder has

- `spec.json`: what the engine was told to do;
- `engine.json`, `events.bin.gz`: what its readers saw;
- `sends.bin.gz`: in round-trip trials, what its readers sent;
- `trial.json`: what was run and measured around it, and what should have come;
- `journal/EPOCH.journal`: the producer's side (`producers.journal`);
- `server.log`, `engine.log`: what the processes printed.

`events.bin.gz` has, for each reader in the order of `engine.json`, the offsets of its events as they came and then the
receive times of the same events: two columns of little-endian signed 64-bit integers. `sends.bin.gz` has, in the same
way, three for each message: when it was due, when it could be sent, and when it was sent.
"""

from __future__ import annotations

import gzip
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

from pydantic import TypeAdapter

from benchmarks.clocks import ProcessTime
from benchmarks.expected import Expected
from benchmarks.plan import Session

Kind: TypeAlias = Literal["load", "saturated", "rtt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What the engine is to do, in JSON on its standard input."""

    folder: Path
    """Where its records go."""
    url: str
    """Of the server, without a path."""
    lane: str
    wire: str
    server_pid: int | None
    """Its clocks are read during the window; None: a server whose clocks can't be read."""
    deadline: float
    """Seconds after the window's start at which a reader that hasn't ended is given up."""
    sessions: tuple[Session, ...] = ()
    """Started open loop, each at its time. With none, the shared stream is read instead."""
    warm_up: Session | None = None
    settle: float = 0.0
    """Seconds after the start of the clock at which the window begins; sessions may be started before it."""
    stream: str = ""
    """A shared stream, read from its start, one reader after the other on one connection."""
    stream_events: int = 0
    """The shared stream is complete when its head is this offset; the clock starts then."""
    seconds: float = 0.0
    """The shared stream is read again until so much time is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What one reader saw, besides its events."""

    epoch: str
    """Empty if it didn't get so far."""
    scheduled_ns: int
    request_ns: int
    """When `POST /start` was sent, or the stream was asked for; 0 if it didn't get so far."""
    connect_ns: int
    """Time spent on making its TCP connections."""
    ended_ns: int
    events: int
    sent: int
    """Messages."""
    checksum: int
    """CRC-32 of the events' data as they came, a newline after each."""
    outcome: str | None
    """What the server said when the stream ended."""
    missing: int
    """Events that the server said it no longer had; it doesn't say so in silence."""
    error: str | None
    """Why the reading ended early."""


class Sample(NamedTuple):
    """The clocks of both processes at a time."""

    at_ns: int
    server: ProcessTime
    engine: ProcessTime


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The engine's side of a trial."""

    boot_id: str
    time_namespace: str
    loop: str
    samples: tuple[Sample, ...]
    """The first as the window begins, the last as it ends, others between."""
    readers: tuple[Reader, ...]

    @property
    def window_ns(self) -> int:
        """From the window's start to the last reader's end."""
        return self.samples[-1].at_ns - self.samples[0].at_ns


@dataclass(frozen=True, slots=True)
class Column:
    """One reader's events: the offset of each, and when it was received."""

    offsets: array[int] = field(default_factory=lambda: array("q"))
    received: array[int] = field(default_factory=lambda: array("q"))


@dataclass(frozen=True, slots=True)
class Sends:
    """One reader's messages in their order."""

    due: array[int] = field(default_factory=lambda: array("q"))
    ready: array[int] = field(default_factory=lambda: array("q"))
    """When it could be sent: it was due, and the one before it was gone."""
    sent: array[int] = field(default_factory=lambda: array("q"))
    """When sending began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One lane in one round: what was run, and what was measured around it."""

    kind: Kind
    lane: str
    wire: str
    round: int
    seed: int
    deadline: float
    """Seconds from due to received, for goodput."""
    expected: tuple[Expected, ...]
    """Of each reader; in saturated trials one for all of them."""
    boot_id: str
    time_namespace: str
    """The server's and so the journal's."""
    steal: float | None
    """Share of all CPUs' time that the hypervisor gave to others meanwhile."""
    error: str | None
    """Why the trial came to nothing, where it did."""


_SPEC: Final = TypeAdapter(Spec)
_ENGINE: Final = TypeAdapter(Engine)
_TRIAL: Final = TypeAdapter(Trial)


def load_spec(text: str | bytes) -> Spec:
    """Read what `dump_spec` wrote. Raises pydantic.ValidationError."""
    return _SPEC.validate_json(text)


def dump_spec(spec: Spec) -> bytes:
    """Return *spec* as JSON."""
    return _SPEC.dump_json(spec)


def write_trial(folder: Path, trial: Trial) -> None:
    """Write `trial.json`."""
    (folder / "trial.json").write_bytes(_TRIAL.dump_json(trial))


def read_trial(folder: Path) -> Trial:
    """Read `trial.json`."""
    return _TRIAL.validate_json((folder / "trial.json").read_bytes())


def write_engine(folder: Path, engine: Engine, columns: Iterable[Column], sends: Iterable[Sends] = ()) -> None:
    """Write the engine's files; `engine.json` last, so that it is there only if all of it is."""
    _write_columns(folder / "events.bin.gz", ((column.offsets, column.received) for column in columns))
    if any(reader.sent for reader in engine.readers):
        _write_columns(folder / "sends.bin.gz", ((sent.due, sent.ready, sent.sent) for sent in sends))
    (folder / "engine.json").write_bytes(_ENGINE.dump_json(engine))


def read_engine(folder: Path) -> tuple[Engine, Sequence[Column]]:
    """Read what the readers saw. Raises FileNotFoundError if the engine didn't come to its end."""
    engine = _ENGINE.validate_json((folder / "engine.json").read_bytes())
    with gzip.open(folder / "events.bin.gz", "rb") as file:
        columns = [Column(_column(file, reader.events), _column(file, reader.events)) for reader in engine.readers]
    return engine, columns


def read_sends(folder: Path, engine: Engine) -> Sequence[Sends]:
    """Read what the readers sent. Raises FileNotFoundError if they sent nothing."""
    with gzip.open(folder / "sends.bin.gz", "rb") as file:
        return [Sends(*(_column(file, reader.sent) for _ in range(3))) for reader in engine.readers]


def _write_columns(path: Path, of_readers: Iterable[tuple[array[int], ...]]) -> None:
    with gzip.open(path, "wb", compresslevel=1) as file:
        for columns in of_readers:
            for values in columns:
                file.write(_little_endian(values).tobytes())


def _column(file: gzip.GzipFile, length: int) -> array[int]:
    values = array("q")
    values.frombytes(file.read(length * values.itemsize))
    return _little_endian(values)


def _little_endian(values: array[int]) -> array[int]:
    if sys.byteorder == "little":
        return values
    swapped = array("q", values)
    swapped.byteswap()
    return swapped
