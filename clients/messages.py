"""What one connection says, whatever the wire: the messages, and how their fields are read from JSON text.

Everything here is pure: text in, values out. What the wire doesn't allow raises ProtocolViolation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias

from streamlanes.producers.errors import InvalidCursor, InvalidItem, ProtocolViolation
from streamlanes.producers.events import Cursor, Event, Outcome, check_type
from streamlanes.producers.wire import END, GAP, OPEN, PING, REFUSED


@dataclass(frozen=True, slots=True)
class Opened:
    """The first message of a connection."""

    cursor: Cursor
    """Place from which it reads on."""
    heartbeat: float
    """Seconds after which the server would break a silence."""


@dataclass(frozen=True, slots=True)
class Received:
    """An event, and the epoch of the stream that it came from."""

    epoch: str
    event: Event


@dataclass(frozen=True, slots=True)
class Ping:
    """There is nothing to say, but the connection lives."""


@dataclass(frozen=True, slots=True)
class Gap:
    """The events after `after`, up to and with `next`, are gone."""

    after: Cursor
    next: Cursor
    missing: int | None


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream has ended; nothing follows."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Something that was sent over this connection wasn't accepted."""

    reason: str


Message: TypeAlias = Opened | Received | Ping | Gap | Ended | NotTaken

MAX_SECONDS: Final = 86_400

Fields: TypeAlias = Mapping[str, object]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} isn't JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant)


def json_extent(text: str, start: int = 0) -> int:
    """Return where the JSON value that begins at *start* ends."""
    try:
        _, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        raise _unreadable(text, error) from error
    return end


def json_object(text: str | bytes) -> Fields:
    """Read a JSON object, of which each field is then read by one of the functions below."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unreadable(text, error) from error
    if not isinstance(value, dict):
        raise ProtocolViolation(f"{excerpt(text)} isn't a JSON object")
    return value


def cursor_in(fields: Fields, name: str) -> Cursor:
    """Read a cursor."""
    return parse_cursor(text_in(fields, name))


def text_in(fields: Fields, name: str) -> str:
    """Read a string."""
    value = fields.get(name)
    if not isinstance(value, str):
        raise ProtocolViolation(f"{name!r} is {value!r:.80}, not a string")
    return value


def count_in(fields: Fields, name: str) -> int | None:
    """Read a number of events, or null."""
    value = fields.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ProtocolViolation(f"{name!r} is {value!r:.80}, not a number of events or null")


def seconds_in(fields: Fields, name: str) -> float:
    """Read a positive number of seconds."""
    value = fields.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= MAX_SECONDS:
        return float(value)
    raise ProtocolViolation(f"{name!r} is {value!r:.80}, not a number of seconds, at most a day")


def outcome_in(fields: Fields) -> Outcome:
    """Read how the stream ended."""
    name = text_in(fields, "outcome")
    try:
        return Outcome(name)
    except ValueError as error:
        raise ProtocolViolation(f"{name!r:.80} isn't an outcome") from error


def parse_cursor(text: str) -> Cursor:
    """Read a cursor that a server sent."""
    try:
        return Cursor.parse(text)
    except InvalidCursor as error:
        raise ProtocolViolation(str(error)) from error


def received(identity: str, kind: str, data: str) -> Received:
    """Make an event from its id, its type and *data*, the text of a JSON value."""
    epoch, offset = parse_cursor(identity)
    try:
        return Received(epoch, Event(offset, check_type(kind), data))
    except InvalidItem as error:
        raise ProtocolViolation(str(error)) from error


def control(kind: str, fields: Fields) -> Message:
    """Make a control message."""
    match kind:
        case "open":
            return Opened(cursor_in(fields, "cursor"), seconds_in(fields, "heartbeat"))
        case "ping":
            return Ping()
        case "gap":
            return Gap(cursor_in(fields, "after"), cursor_in(fields, "next"), count_in(fields, "missing"))
        case "end":
            return Ended(outcome_in(fields))
        case "refused":
            return NotTaken(text_in(fields, "reason"))
        case _:
            known = ", ".join((OPEN, PING, GAP, END, REFUSED))
            raise ProtocolViolation(f"{kind!r:.80} isn't a control message; they are {known}")


def utf8(text: bytes) -> str:
    """Read text."""
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise ProtocolViolation(f"{excerpt(text)} isn't UTF-8") from error


def excerpt(text: str | bytes) -> str:
    """Show the beginning of what came."""
    return f"{text[:80]!r}" + ("…" if len(text) > 80 else "")


def _unreadable(text: str | bytes, error: Exception) -> ProtocolViolation:
    return ProtocolViolation(f"{excerpt(text)} isn't JSON ({error})")
