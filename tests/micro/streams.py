"""What the steps work on: a stream's values and events, and the bytes that a reader gets of them at once."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Final, TypeVar

from websockets.frames import Frame, Opcode

from streamlanes.producers.events import Cursor, Event, encode_json
from streamlanes.producers.log.event_log import Batch
from streamlanes.producers.ticker import payload
from streamlanes.producers.wire import LONG_POLL, NDJSON, SSE, WEBSOCKET, Wire
from streamlanes.transports.framing import NDJSONFraming, SSEFraming, WebSocketFraming, poll_body, poll_events

T = TypeVar("T")

EPOCH: Final = "k3f9a2"


def make_values(size: int, count: int) -> list[dict[str, int | str]]:
    """Return *count* values of *size* bytes of JSON each, as measured runs have them."""
    rng = random.Random(1)
    return [payload(n, size, rng) for n in range(1, count + 1)]


def make_events(size: int, count: int) -> list[Event]:
    """Return the events that a log makes of them."""
    return [Event(n, "message", encode_json(value)) for n, value in enumerate(make_values(size, count), 1)]


def frame_poll(epoch: str, events: Sequence[Event]) -> bytes:
    """Frame a poll's whole response."""
    return poll_body(poll_events(epoch, events), Batch(tuple(events), Cursor(epoch, len(events)), None))


def websocket_bytes(epoch: str, events: Sequence[Event]) -> bytes:
    """Frame messages as far as RFC 6455 takes them, which is the library's work on the server."""
    texts = WebSocketFraming().events(epoch, events)
    return b"".join(Frame(Opcode.TEXT, text.encode()).serialize(mask=False) for text in texts)


BODIES: Final[Mapping[Wire, Callable[[str, Sequence[Event]], bytes]]] = {
    SSE: SSEFraming().events,
    WEBSOCKET: websocket_bytes,
    LONG_POLL: frame_poll,
    NDJSON: NDJSONFraming().events,
}
"""A batch as it comes out of a reader's connection."""


def finished(work: Coroutine[object, object, T]) -> T:
    """Return what *work* comes to, which never waits: an event loop would cost more than most steps do."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("it waited")
