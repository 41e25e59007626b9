"""`replay`: a recorded stream, at the recorded times or faster or slower.

A recording is JSONL in UTF-8, an event a line: `{"at": seconds, "type"?: text, "data": any JSON}`. Times ascend; they
may count from anywhere, since the first event is due when the stream is created. Empty lines are skipped. A file may
have 64 MiB, 1,000,000 events and 31 days; it is read once, whole, and then held in memory, several times its size, for
all streams that replay it. A double has the times since 1970 to a quarter of a microsecond.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import ConfigDict, Field, field_validator

from streamlanes.producers.errors import InvalidItem
from streamlanes.producers.events import DEFAULT_TYPE, JSON, Item, check_type, encode_json
from streamlanes.producers.producer import Context, Params, Producer

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_EVENTS: Final = 1_000_000
MAX_SECONDS: Final = 31 * 86_400.0
"""Seconds from the first event to the last, so that at the lowest speed a due time is still a 64-bit number of
nanoseconds."""
MAX_AT: Final = 1e12
"""Seconds of a time, either way."""

_KEYS: Final = frozenset({"at", "type", "data"})


class RecordingError(ValueError):
    """The file isn't a recording; the message names it, the line, and what was expected there."""


class RecordedLine(NamedTuple):
    """One event."""

    after_ns: int
    """Nanoseconds since the first event."""
    type: str
    value: JSON


@dataclass(frozen=True, slots=True)
class Recording:
    """A stream as it was, at least one event."""

    events: tuple[RecordedLine, ...]


def read_recording(path: Path) -> Recording:
    """Read a recording and check all of it. Raises RecordingError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RecordingError(f"can't read {path}: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise RecordingError(f"{path}: expected {MAX_BYTES:,} bytes at most; it has more")
    events: list[RecordedLine] = []
    first = last = 0.0
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        if len(events) == MAX_EVENTS:
            raise RecordingError(f"{where}: expected {MAX_EVENTS:,} events at most; there are more")
        at, kind, value = _event(where, line)
        if not events:
            first = last = at
        if at < last:
            raise RecordingError(f"{where}: expected `at` not to be before the line above; found {at} after {last}")
        if at - first > MAX_SECONDS:
            raise RecordingError(f"{where}: expected {MAX_SECONDS:,.0f} seconds at most; found {at - first:,.0f}")
        last = at
        events.append(RecordedLine(round((at - first) * 1e9), kind, value))
    if not events:
        raise RecordingError(f'{path}: expected lines such as {{"at": 0.5, "data": "text"}}; found none')
    return Recording(tuple(events))


def _event(where: str, line: bytes) -> tuple[float, str, JSON]:
    try:
        found = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"{where}: expected a JSON object in UTF-8; {error}") from error
    if not isinstance(found, dict) or not found.keys() >= {"at", "data"}:
        raise RecordingError(f"{where}: expected an object with `at` and `data`; found {_excerpt(found)}")
    if found.keys() - _KEYS:
        other = ", ".join(sorted(found.keys() - _KEYS))
        raise RecordingError(f"{where}: expected `at`, `type` and `data` only; found {other[:40]}")
    at, kind, value = found["at"], found.get("type", DEFAULT_TYPE), found["data"]
    if isinstance(at, bool) or not isinstance(at, int | float) or not abs(at) <= MAX_AT:  # NaN isn't either
        raise RecordingError(f"{where}: expected `at` to be a number of seconds; found {_excerpt(at)}")
    if not isinstance(kind, str):
        raise RecordingError(f"{where}: expected `type` to be a text; found {_excerpt(kind)}")
    try:
        check_type(kind)
        encode_json(value)
    except InvalidItem as error:
        raise RecordingError(f"{where}: expected an event that can be sent; {error}") from error
    return float(at), kind, value


def _excerpt(value: object) -> str:
    return repr(value)[:40]


class ReplayParams(Params):
    """Parameters of `replay`."""

    recording: str = Field(max_length=64)
    """The name of one of those that the server was started with; never a file."""
    speed: float = Field(1.0, ge=0.001, le=1_000_000)
    """The times between events are divided by this."""
    limit: int | None = Field(None, ge=1, le=MAX_EVENTS)
    """The first so many events; without it, all."""


def producer(recordings: Mapping[str, Recording]) -> Producer[ReplayParams]:
    """Return the producer that replays *recordings*, by name, and no others."""

    class KnownReplayParams(ReplayParams):
        model_config = ConfigDict(title=ReplayParams.__name__)

        @field_validator("recording")
        @classmethod
        def _known(cls, name: str) -> str:
            if name not in recordings:
                there_are = f"there are {', '.join(sorted(recordings))}" if recordings else "the server has none"
                raise ValueError(f"there is no recording {name!r}; {there_are}")
            return name

    async def replay(params: ReplayParams, context: Context) -> AsyncGenerator[Item, None]:
        """Yield the recorded events, the first one due at the start."""
        for after_ns, kind, value in islice(recordings[params.recording].events, params.limit):
            yield Item(value, kind, context.start_ns + round(after_ns / params.speed))

    return Producer("replay", KnownReplayParams, replay)


PRODUCER: Final = producer({})
"""Producer with no recordings; a server has those that it was started with."""
