"""The values that streams are made of: items, events, cursors, outcomes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

from streamlanes.producers.errors import InvalidCursor, InvalidItem

JSON: TypeAlias = "str | int | float | bool | Sequence[JSON] | Mapping[str, JSON] | None"

DEFAULT_TYPE: Final = "message"

_CURSOR = re.compile(r"([0-9a-z]{1,16}):(0|[1-9][0-9]{0,17})", re.ASCII)
_TYPE = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")


class Cursor(NamedTuple):
    """A place in a stream: the last event that a reader has. `str()` gives `EPOCH:OFFSET`."""

    epoch: str
    offset: int
    """0 is the place before the first event."""

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read `EPOCH:OFFSET`. Raises InvalidCursor."""
        match = _CURSOR.fullmatch(text)
        if match is None:
            raise InvalidCursor(f"{text[:40]!r} isn't a cursor; one looks like k3f9a2:17")
        return cls(match[1], int(match[2]))


After: TypeAlias = Cursor | Literal["start", "now"]
"""Place to read from: after a cursor, at the oldest event held, or at what comes next."""


def parse_after(text: str) -> After:
    """Read `EPOCH:OFFSET`, `start` or `now`. Raises InvalidCursor."""
    match text:
        case "start":
            return "start"
        case "now":
            return "now"
        case _:
            return Cursor.parse(text)


class Outcome(StrEnum):
    """How a stream ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    """Its producer raised."""
    ORPHANED = "orphaned"
    """Its producer's process went away."""
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Item:
    """What producers yield."""

    value: JSON
    type: str = DEFAULT_TYPE
    due_ns: int | None = None
    """Nanoseconds of CLOCK_MONOTONIC at which it should happen, for producers with a schedule; None: now."""


@dataclass(frozen=True, slots=True)
class Event:
    """What logs hold and wires carry: an item in its place in the stream."""

    offset: int
    """Dense, from 1."""
    type: str
    data: str
    """JSON text in which no raw newline occurs, nor a lone surrogate: it can be encoded and framed as it is."""


def encode_json(value: JSON) -> str:
    """Serialise *value* once for all wires.

    The text is compact, has no raw control characters (so no newline), and can always be encoded as UTF-8: lone
    surrogates are escaped. Raises InvalidItem for NaN, infinities and what isn't JSON.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidItem(f"the producer yielded a value that isn't JSON: {error}") from error
    if text.isascii():
        return text
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


@lru_cache(maxsize=256)  # streams use few types, and check one with every item
def check_type(name: str) -> str:
    """Return *name* if an event may be of this type.

    Types are `[A-Za-z0-9_.-]{1,64}`; `error` and `open` belong to the browser's EventSource, and names that begin
    with `stream-` to the wire's control events. Raises InvalidItem.
    """
    if not _TYPE.fullmatch(name) or name in {"error", "open"} or name.startswith("stream-"):
        raise InvalidItem(
            f"{name[:80]!r} can't be an event's type: use [A-Za-z0-9_.-]{{1,64}}, but not error, open or stream-…"
        )
    return name
