"""Events and control messages as bytes. Pure functions; `docs/wire.md` is what they write."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic, Protocol, TypeVar

from streamlanes.producers import wire
from streamlanes.producers.events import DEFAULT_TYPE, JSON, Cursor, Event, Outcome
from streamlanes.producers.log.event_log import Batch

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Framing(Protocol[T_co]):
    """How a streaming wire writes the five kinds of messages."""

    def events(self, epoch: str, events: Sequence[Event]) -> T_co:
        """Frame *events*, at least one."""
        ...

    def open(self, cursor: Cursor, heartbeat: float) -> T_co:
        """Frame the first message: where the reader starts, and how long silence may last."""
        ...

    def ping(self) -> T_co:
        """Frame a heartbeat."""
        ...

    def gap(self, after: Cursor, following: Cursor, missing: int | None) -> T_co:
        """Frame the notice that the events between *after* and *following* are gone."""
        ...

    def end(self, cursor: Cursor, outcome: Outcome) -> T_co:
        """Frame the last message."""
        ...

    def leave(self, retry: float) -> T_co:
        """Frame, where the wire has words for it, that the reader is to come back in *retry* seconds."""
        ...


def _compact(value: JSON) -> str:
    return json.dumps(value, separators=(",", ":"))


def _json_event(epoch: str, event: Event) -> str:
    kind = "" if event.type == DEFAULT_TYPE else f'"type":"{event.type}",'
    return f'{{"id":"{epoch}:{event.offset}",{kind}"data":{event.data}}}'


def control_text(name: str, fields: Mapping[str, JSON]) -> str:
    """Frame a control message of the JSON wires, without what ends it."""
    return _compact({"control": name, **fields})


def _open_fields(cursor: Cursor, heartbeat: float) -> dict[str, JSON]:
    return {"cursor": str(cursor), "heartbeat": heartbeat}


def _gap_fields(after: Cursor, following: Cursor, missing: int | None) -> dict[str, JSON]:
    return {"after": str(after), "next": str(following), "missing": missing}


class SSEFraming:
    """`text/event-stream`."""

    def events(self, epoch: str, events: Sequence[Event]) -> bytes:
        return "".join(
            [
                f"id: {epoch}:{event.offset}\ndata: {event.data}\n\n"
                if event.type == DEFAULT_TYPE
                else f"id: {epoch}:{event.offset}\nevent: {event.type}\ndata: {event.data}\n\n"
                for event in events
            ]
        ).encode()

    def open(self, cursor: Cursor, heartbeat: float) -> bytes:
        return self._control(wire.OPEN, _open_fields(cursor, heartbeat), str(cursor))

    def ping(self) -> bytes:
        return self._control(wire.PING, {})

    def gap(self, after: Cursor, following: Cursor, missing: int | None) -> bytes:
        return self._control(wire.GAP, _gap_fields(after, following, missing), str(following))

    def end(self, cursor: Cursor, outcome: Outcome) -> bytes:
        return self._control(wire.END, {"outcome": outcome}, f"{cursor}{wire.SSE_END_SUFFIX}")

    def leave(self, retry: float) -> bytes:
        return retry_field(retry)

    def _control(self, name: str, fields: dict[str, JSON], identity: str | None = None) -> bytes:
        head = "" if identity is None else f"id: {identity}\n"
        return f"{head}event: {wire.SSE_CONTROL_PREFIX}{name}\ndata: {_compact(fields)}\n\n".encode()


def retry_field(seconds: float) -> bytes:
    """Frame how long an EventSource is to wait before it comes back."""
    return f"retry: {round(seconds * 1000)}\n\n".encode()


class WebSocketFraming:
    """Texts, each a message of its own."""

    def events(self, epoch: str, events: Sequence[Event]) -> tuple[str, ...]:
        return tuple([_json_event(epoch, event) for event in events])

    def open(self, cursor: Cursor, heartbeat: float) -> tuple[str, ...]:
        return (control_text(wire.OPEN, _open_fields(cursor, heartbeat)),)

    def ping(self) -> tuple[str, ...]:
        return (control_text(wire.PING, {}),)

    def gap(self, after: Cursor, following: Cursor, missing: int | None) -> tuple[str, ...]:
        return (control_text(wire.GAP, _gap_fields(after, following, missing)),)

    def end(self, cursor: Cursor, outcome: Outcome) -> tuple[str, ...]:
        return (control_text(wire.END, {"outcome": outcome}),)

    def leave(self, retry: float) -> tuple[str, ...]:
        return ()  # the close code says it


def close_reason(text: str) -> str:
    """Cut *text* to what a WebSocket's close may say: 123 bytes (RFC 6455 §5.5)."""
    return text.encode(errors="replace")[:123].decode(errors="ignore")


class NDJSONFraming:
    """Lines: WebSocket's messages, each with a newline behind it."""

    _messages: Final = WebSocketFraming()

    def events(self, epoch: str, events: Sequence[Event]) -> bytes:
        return _lines(self._messages.events(epoch, events))

    def open(self, cursor: Cursor, heartbeat: float) -> bytes:
        return _lines(self._messages.open(cursor, heartbeat))

    def ping(self) -> bytes:
        return _lines(self._messages.ping())

    def gap(self, after: Cursor, following: Cursor, missing: int | None) -> bytes:
        return _lines(self._messages.gap(after, following, missing))

    def end(self, cursor: Cursor, outcome: Outcome) -> bytes:
        return _lines(self._messages.end(cursor, outcome))

    def leave(self, retry: float) -> bytes:
        return b""


def _lines(messages: Sequence[str]) -> bytes:
    return ("\n".join(messages) + "\n").encode()


class PlainTextFraming:
    """The bare text of string values and nothing else; what it can't say is said by cutting the connection.

    Texts, since a character may be cut between two events, and its halves have no bytes: see `WholeCharacters`.
    """

    def events(self, epoch: str, events: Sequence[Event]) -> str:
        return "".join([json.loads(event.data) for event in events if event.data.startswith('"')])

    def open(self, cursor: Cursor, heartbeat: float) -> str:
        return ""

    def ping(self) -> str:
        return ""

    def gap(self, after: Cursor, following: Cursor, missing: int | None) -> str:
        raise CutShort(f"{missing or 'some'} events after {after} are gone; the stream goes on after {following}")

    def end(self, cursor: Cursor, outcome: Outcome) -> str:
        if outcome is not Outcome.COMPLETED:
            raise CutShort(f"the stream ended at {cursor} as {outcome}")
        return ""

    def leave(self, retry: float) -> str:
        raise CutShort(f"the server is going away; come back in {retry:.0f} s")


class CutShort(Exception):
    """The wire has no words for this; its reader learns it from the connection's being cut."""


def poll_events(epoch: str, events: Sequence[Event]) -> bytes:
    """Frame the inside of a poll's `events`."""
    return ",".join([_json_event(epoch, event) for event in events]).encode()


def poll_body(events: bytes, batch: Batch) -> bytes:
    """Frame a poll's response around *events* as `poll_events` gave them."""
    outcome = "" if batch.outcome is None else f',"outcome":"{batch.outcome}"'
    done = "false" if batch.outcome is None else "true"
    return b'{"events":[%b],"cursor":"%b","done":%b%b}' % (
        events,
        str(batch.cursor).encode(),
        done.encode(),
        outcome.encode(),
    )


class FrameCache(Generic[T]):
    """Frames each batch once for all readers that are at the same place.

    Readers that wait at the head are woken by the same append and so want the same range of events. The work for all
    but the first is a look-up, per batch and not per event. Holds the most recent batches, each of at most what a
    read may return.
    """

    def __init__(self, frame: Callable[[str, Sequence[Event]], T], *, batches: int = 64) -> None:
        self._frame = frame
        self._batches = batches
        self._frames: OrderedDict[tuple[str, str, int, int], T] = OrderedDict()

    def frame(self, stream: str, batch: Batch) -> T:
        """Return the frames of the batch's events, of which there is at least one."""
        cursor, events = batch.cursor, batch.events
        key = (stream, cursor.epoch, cursor.offset, len(events))
        framed = self._frames.get(key)
        if framed is None:
            framed = self._frames[key] = self._frame(cursor.epoch, events)
            if len(self._frames) > self._batches:
                self._frames.popitem(last=False)
        return framed
