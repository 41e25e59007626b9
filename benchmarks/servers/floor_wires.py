"""What the floor writes on each wire, with as little as there can be between an event and its readers' sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic, TypeVar
from urllib.parse import parse_qs

from streamlanes.benchmarks.servers.http import NORMAL_CLOSE, STREAM_HEAD, Connection, Request, response, upgraded
from streamlanes.producers.events import Cursor, Event, Outcome
from streamlanes.producers.log.event_log import Batch
from streamlanes.producers.wire import HEARTBEAT
from streamlanes.transports.framing import Framing, SSEFraming, WebSocketFraming, poll_body, poll_events
from streamlanes.transports.packing import LAST_CHUNK, chunk, text_frames

T = TypeVar("T")


class Streaming(Generic[T]):
    """Readers that get all from the beginning, then what comes."""

    def __init__(
        self,
        epoch: str,
        framing: Framing[T],
        pack: Callable[[T], bytes],
        head: Callable[[Connection, Request], bytes],
        last: bytes,
    ) -> None:
        """*head*: what a request is answered with; *last*: what follows the end."""
        self._epoch = epoch
        self._offset = 0
        self._framing = framing
        self._pack = pack
        self._head = head
        self._last = last
        self._sent = [pack(framing.open(Cursor(epoch, 0), HEARTBEAT))]
        self._readers: dict[Connection, None] = {}
        self._ended = False

    def read(self, connection: Connection, request: Request) -> None:
        connection.write(self._head(connection, request) + b"".join(self._sent))
        if not self._ended:
            self._readers[connection] = None
            connection.on_lost = self._lost

    def append(self, events: Sequence[Event]) -> None:
        self._offset += len(events)
        self._write(self._pack(self._framing.events(self._epoch, events)))

    def end(self) -> None:
        self._ended = True
        self._write(self._pack(self._framing.end(Cursor(self._epoch, self._offset), Outcome.COMPLETED)) + self._last)
        self._readers.clear()

    def _lost(self, connection: Connection) -> None:
        self._readers.pop(connection, None)

    def _write(self, content: bytes) -> None:
        self._sent.append(content)
        for connection in self._readers:
            connection.write(content)


def sse(epoch: str) -> Streaming[bytes]:
    """Return readers that get the bytes of the lane `sse`."""
    return Streaming(epoch, SSEFraming(), chunk, lambda _, __: STREAM_HEAD % b"text/event-stream", LAST_CHUNK)


def websocket(epoch: str) -> Streaming[tuple[str, ...]]:
    """Return readers that get the bytes of the lane `ws`."""
    return Streaming(epoch, WebSocketFraming(), text_frames, upgraded, NORMAL_CLOSE)


class Polls:
    """The bytes of the lane `poll`: a poll at the head waits, however long, and all that wait get the same bytes."""

    def __init__(self, epoch: str) -> None:
        self._epoch = epoch
        self._events: list[Event] = []
        self._ended = False
        self._waiting: dict[Connection, int] = {}

    def read(self, connection: Connection, request: Request) -> None:
        asked = parse_qs(request.query)
        after = asked.get("after", ["start"])[0]
        place = 0 if after == "start" else len(self._events) if after == "now" else Cursor.parse(after).offset
        limit = int(asked.get("limit", ["256"])[0])
        if place < len(self._events) or self._ended:
            connection.write(self._answer(place, limit))
        else:
            self._waiting[connection] = limit
            connection.on_lost = self._lost

    def append(self, events: Sequence[Event]) -> None:
        before = len(self._events)
        self._events += events
        self._answer_all(before)

    def end(self) -> None:
        self._ended = True
        self._answer_all(len(self._events))

    def _answer_all(self, place: int) -> None:
        waiting, self._waiting = self._waiting, {}
        answers = {limit: self._answer(place, limit) for limit in set(waiting.values())}
        for connection, limit in waiting.items():
            connection.write(answers[limit])

    def _answer(self, place: int, limit: int) -> bytes:
        events = self._events[place : place + limit]
        cursor = Cursor(self._epoch, place + len(events))
        outcome = Outcome.COMPLETED if self._ended and cursor.offset == len(self._events) else None
        return response("200 OK", poll_body(poll_events(self._epoch, events), Batch(tuple(events), cursor, outcome)))

    def _lost(self, connection: Connection) -> None:
        self._waiting.pop(connection, None)


LANES: Final[Mapping[str, Callable[[str], Streaming[bytes] | Streaming[tuple[str, ...]] | Polls]]] = {
    "floor": sse,
    "floor-ws": websocket,
    "floor-poll": Polls,
}
"""What makes the readers of a stream's epoch, by lane."""
