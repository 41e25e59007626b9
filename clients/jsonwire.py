"""The JSON that WebSocket, NDJSON and long poll have in common: text in, messages out.

`data` is handed on verbatim, as a piece of the text that came: reading and writing it again would be right only as
long as both ends use the same serialiser. The wire makes that easy, since an event's fields have a fixed order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from streamlanes.clients.messages import (
    Message,
    Received,
    control,
    cursor_in,
    excerpt,
    json_extent,
    json_object,
    outcome_in,
    received,
    text_in,
)
from streamlanes.producers.errors import ProtocolViolation
from streamlanes.producers.events import DEFAULT_TYPE, Cursor, Outcome

_EVENT: Final = re.compile(r'\{"id":"([^"\\]*)",(?:"type":"([^"\\]*)",)?"data":')
_POLL: Final = '{"events":['


@dataclass(frozen=True, slots=True)
class Polled:
    """A long poll's answer."""

    events: tuple[Received, ...]
    cursor: Cursor
    outcome: Outcome | None
    """How the stream ended, if these were its last events."""


def decode_message(text: str) -> Message:
    """Read one frame of a WebSocket, or one line of NDJSON, whole and without its line end.

    Raises ProtocolViolation for what isn't a message.
    """
    if _EVENT.match(text):
        event, end = _event_at(text, 0)
        if end != len(text):
            raise ProtocolViolation(f"something follows the event in {excerpt(text)}")
        return event
    fields = json_object(text)
    return control(text_in(fields, "control"), fields)


def decode_poll(text: str) -> Polled:
    """Read the body of a long poll's answer. Raises ProtocolViolation for anything else."""
    if not text.startswith(_POLL):
        raise ProtocolViolation(f"{excerpt(text)} isn't the answer to a poll")
    events: list[Received] = []
    place = len(_POLL)
    while not text.startswith("]", place):
        if events:
            place = _past(",", text, place)
        event, place = _event_at(text, place)
        events.append(event)
    fields = json_object("{" + text[_past("],", text, place) :])
    done = fields.get("done")
    if not isinstance(done, bool):
        raise ProtocolViolation(f"'done' is {done!r:.80}, not true or false")
    return Polled(tuple(events), cursor_in(fields, "cursor"), outcome_in(fields) if done else None)


def _event_at(text: str, place: int) -> tuple[Received, int]:
    head = _EVENT.match(text, place)
    if head is None:
        raise ProtocolViolation(f"{excerpt(text[place : place + 81])} doesn't begin with an event")
    end = json_extent(text, head.end())
    return received(head[1], head[2] or DEFAULT_TYPE, text[head.end() : end]), _past("}", text, end)


def _past(mark: str, text: str, place: int) -> int:
    if not text.startswith(mark, place):
        raise ProtocolViolation(f"{excerpt(text[place : place + 81])} where {mark!r} should be")
    return place + len(mark)
