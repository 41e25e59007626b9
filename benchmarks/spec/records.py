"""Raw results of one trial on disk: the interface between the load engine, the trial and everything after.

A trial's folder has

- `spec.json`: what the engine was told to do;
- `engine-N.json`, `events-N.bin.gz`: what the readers of the engine's shard N saw;
- `sends-N.bin.gz`: in round-trip trials, what they sent;
- `trial.json`: what was run and measured around it, and what should have come;
- `journal/EPOCH.journal`: the producer's side (`producers.journal`);
- `server.log`: what the server printed;
- `relay.json`, `faults.jsonl`: in trials with faults, those that were planned, and those that there were.

`events-N.bin.gz` has, for each reader in the order of `engine-N.json`, the offsets of its events as they came and then
the receive times of the same events: two columns of little-endian signed 64-bit integers. `sends-N.bin.gz` has, in the
same way, three for each message: when it was due, when it could be sent, and when it was sent.
"""

from __future__ import annotations

import gzip
import io
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from pydantic import Field, TypeAdapter

from streamlanes.benchmarks.machine.clocks import IdleCost, ProcessTime, TCPCount
from streamlanes.benchmarks.spec.expected import Expected
from streamlanes.benchmarks.spec.interleaving import Turns
from streamlanes.benchmarks.spec.role import Role
from streamlanes.benchmarks.spec.tasks import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedStream:
    """The stream that an audience is to read."""

    url: str
    """Whole."""
    epoch: str
    events: int
    """Number of events that it will have; a wire that doesn't tell the end is read up to there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What one shard of the engine is to do, as JSON."""

    url: str
    """URL of the server, without a path."""
    lane: str
    reader: str
    """Which of the engine's readers is to be used: the name of a wire, or of a client library."""
    server_pid: int | None
    """Its clocks are read during the window; None: a server whose clocks can't be read."""
    deadline: float
    """Seconds after the window's start at which a reader that hasn't ended is given up."""
    task: Annotated[Task, Field(discriminator="task")]
    started: StartedStream | None = None
    """Stream that an audience reads."""
    begins_at: float | None = None
    """Unix time: of sessions, when the clock starts; of an audience, when the window begins. None: when it is ready."""
    shard: int = 0
    shards: int = 1
    """Number of shards, of which this is one; shard n has every so many-th session or reader from the n-th on."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that are sent with every request; they may be secrets, so their values aren't in `spec.json`."""


class Traffic(NamedTuple):
    """What TCP counted on a reader's connections, without what opens and closes them."""

    bytes_up: int
    bytes_down: int
    segments: int
    """Number of segments in both directions, bare acknowledgements included."""


class ConnectionTimes(NamedTuple):
    """One of the connections of a reader that reconnects."""

    begun_ns: int
    """When it was asked for."""
    cut_ns: int
    """When it ended; of one that was given up because it was silent: when something was last heard."""
    ended_ns: int
    """When the reader was done with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What one reader saw, besides its events."""

    index: int
    """Its number in the task, over all shards."""
    epoch: str
    """Empty if it didn't get so far."""
    scheduled_ns: int
    request_ns: int
    """When `POST /start` was sent, or the stream was asked for; 0 if it didn't get so far."""
    connect_ns: int | None
    """Time spent on making its TCP connections; None: its client doesn't tell."""
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
    traffic: Traffic | None = None
    """Traffic over all its connections, where that was asked for."""
    connections: tuple[ConnectionTimes, ...] = ()
    """Connections of a reader that reconnects, in their order: all that ended early, and the one that saw the stream's
    end."""


class Sample(NamedTuple):
    """The clocks of both processes at a time."""

    at_ns: int
    server: ProcessTime
    engine: ProcessTime
    idle: IdleCost | None = None
    """Costs of the server, where that was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One shard's side of a trial."""

    boot_id: str
    time_namespace: str
    loop: str
    before: tuple[Sample, ...] = ()
    """Samples from while it was being prepared."""
    samples: tuple[Sample, ...]
    """The first as the window begins, the last as it ends, others between."""
    readers: tuple[Reader, ...]
    lags_ns: tuple[int, ...] = ()
    """Nanoseconds, in calibrations, from when the kernel had what completed an event, or several, to the engine's own
    clock."""

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
    """One row's turn in one round: what was run, and what was measured around it."""

    kind: str
    lane: str
    """Name of the contestant, a row of the report; `sse~again` is lane sse a second time."""
    of_lane: str
    """Name of the lane that the contestant is, or reads: `sse` of `sse~again`."""
    reader: str
    """What reads it: the wire, or the client library."""
    role: Role
    round: int
    seed: int
    point: Mapping[str, float]
    """Place in a sweep."""
    deadline: float
    """Seconds from due to received, for goodput."""
    warm_up: float
    """Seconds from when an audience's first event is due in which events are left out of all figures."""
    turns: Turns | None = None
    """Turns in which its events were due; None: it was run alone."""
    expected: tuple[Expected, ...]
    """What must come of each reader; or one for all of them."""
    boot_id: str
    time_namespace: str
    """The server's and so the journal's."""
    journaled: bool = True
    """Whether the producer's side was recorded: not that of a server that isn't ours."""
    steal: float | None
    """Share of all CPUs' time that the hypervisor gave to others meanwhile."""
    tcp: TCPCount | None = None
    """What went wrong with TCP on the machine meanwhile; None: not known."""
    error: str | None
    """Why the trial came to nothing, where it did."""


class Record(NamedTuple):
    """A shard's files, as bytes: what comes back from wherever it ran."""

    engine: bytes
    events: bytes
    sends: bytes


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


def pack(engine: Engine, columns: Iterable[Column], sends: Iterable[Sends] = ()) -> Record:
    """Return what a shard has recorded."""
    events = _packed((column.offsets, column.received) for column in columns)
    sent = any(reader.sent for reader in engine.readers)
    return Record(
        _ENGINE.dump_json(engine), events, _packed((one.due, one.ready, one.sent) for one in sends) if sent else b""
    )


def write_record(folder: Path, shard: int, record: Record) -> None:
    """Write a shard's files; `engine-N.json` last, so that it is there only if all of it is."""
    (folder / f"events-{shard}.bin.gz").write_bytes(record.events)
    if record.sends:
        (folder / f"sends-{shard}.bin.gz").write_bytes(record.sends)
    (folder / f"engine-{shard}.json").write_bytes(record.engine)


def read_engines(folder: Path) -> list[tuple[Engine, Sequence[Column]]]:
    """Read what the readers of each shard saw. Raises FileNotFoundError if there is no shard that came to its end."""
    shards: list[tuple[Engine, Sequence[Column]]] = []
    while not shards or (folder / f"engine-{len(shards)}.json").exists():
        engine = _ENGINE.validate_json((folder / f"engine-{len(shards)}.json").read_bytes())
        with gzip.GzipFile(folder / f"events-{len(shards)}.bin.gz") as file:
            columns = [Column(_column(file, reader.events), _column(file, reader.events)) for reader in engine.readers]
        shards.append((engine, columns))
    return shards


def read_sends(folder: Path, shard: int, engine: Engine) -> Sequence[Sends]:
    """Read what the readers of a shard sent. Raises FileNotFoundError if they sent nothing."""
    with gzip.open(folder / f"sends-{shard}.bin.gz", "rb") as file:
        return [Sends(*(_column(file, reader.sent) for _ in range(3))) for reader in engine.readers]


def _packed(of_readers: Iterable[tuple[array[int], ...]]) -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        for columns in of_readers:
            for values in columns:
                file.write(_little_endian(values).tobytes())
    return packed.getvalue()


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
