"""The JSON object that is an event or a control message on the WebSocket, NDJSON and long-poll wires.

The wire fixes the fields' order and forbids white space, with `data` last (docs/wire.md), so that an event's data can
be taken as the bytes that it is, without being parsed and written again.
"""

from __future__ import annotations

import json
import re
from array import array
from typing import Final

from streamlanes.benchmarks.engine.decoding.decoder import Position, ReadingFailed

_HEAD = rb'\{"id":"([0-9a-z]{1,16}):([0-9]{1,18})",(?:"type":"[A-Za-z0-9_.-]{1,64}",)?"data":'

EVENT_HEAD: Final = re.compile(_HEAD.decode(), re.ASCII)
"""An event up to its data; groups: epoch, offset."""

EVENT_LINE: Final = re.compile(_HEAD + rb"(.*)\}\n")
"""An event and the end of its line; groups: epoch, offset, data."""

EVENT_MESSAGE: Final = re.compile(_HEAD + rb"(.*)\}", re.DOTALL)
"""A whole event; groups: epoch, offset, data."""


def take_message(message: bytes, place: Position, offsets: array[int], data: list[bytes]) -> None:
    """Add an event to *offsets* and *data*, or tell *place* of a control message. Raises ReadingFailed."""
    event = EVENT_MESSAGE.fullmatch(message)
    if event is None:
        _take_control(message, place)
        return
    epoch, offset, value = event.groups()
    if epoch != place.epoch or place.outcome is not None:
        place.admit(epoch)
    offsets.append(int(offset))
    data.append(value)


def _take_control(message: bytes, place: Position) -> None:
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not isinstance(value.get("control"), str):
        raise ReadingFailed(f"neither an event nor a control message: {message[:80]!r}")
    place.control(value["control"], value)
