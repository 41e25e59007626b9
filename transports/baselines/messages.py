"""The messages of a stream as values that each reader serialises for itself, and the queue that it takes them from.

The way most services go: something publishes Python objects, each reader has a queue of them, and each reader makes its
own text of each object. Here the log holds text already, so the objects are parsed back from it. That is done once for
all readers that are at the same place, as a publisher has its object once; a reader that is alone with its stream bears
it alone, which the service that it stands for wouldn't.

A value serialised again is the same text, byte for byte, with two exceptions that JSON can say but a parse can't keep:
a pair of surrogates written as two escapes, and an object with a key twice.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, TypeAlias

from streamlanes.producers import wire
from streamlanes.producers.events import DEFAULT_TYPE, JSON, Cursor, Event, Outcome
from streamlanes.transports.follow import Follower

QUEUED: Final = 256
"""Messages at most in a reader's queue; while it is full, its reader's task reads no further in the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An event, or a control message, of which `value` has the fields."""

    name: str
    """The event's type, or which control message it is."""
    value: JSON
    id: str | None = None
    """Place to resume from; `ping` has none."""
    control: bool = False

    @property
    def sse_event(self) -> str | None:
        """What stands in SSE's `event` field, if it is there."""
        if self.control:
            return f"{wire.SSE_CONTROL_PREFIX}{self.name}"
        return None if self.name == DEFAULT_TYPE else self.name

    def json_object(self) -> Mapping[str, JSON]:
        """Return the object that the JSON wires carry."""
        if self.control:
            fields = self.value if isinstance(self.value, Mapping) else {}
            return {"control": self.name, **fields}
        if self.name == DEFAULT_TYPE:
            return {"id": self.id, "data": self.value}
        return {"id": self.id, "type": self.name, "data": self.value}


Messages: TypeAlias = tuple[Message, ...]


def parsed(epoch: str, events: Sequence[Event]) -> Messages:
    """Return events as values."""
    return tuple(
        [Message(name=event.type, value=json.loads(event.data), id=f"{epoch}:{event.offset}") for event in events]
    )


class MessageFraming:
    """Frames nothing: the values themselves, each a message of its own."""

    def events(self, epoch: str, events: Sequence[Event]) -> Messages:
        return parsed(epoch, events)

    def open(self, cursor: Cursor, heartbeat: float) -> Messages:
        return _control(wire.OPEN, {"cursor": str(cursor), "heartbeat": heartbeat}, str(cursor))

    def ping(self) -> Messages:
        return _control(wire.PING, {}, None)

    def gap(self, after: Cursor, following: Cursor, missing: int | None) -> Messages:
        fields: dict[str, JSON] = {"after": str(after), "next": str(following), "missing": missing}
        return _control(wire.GAP, fields, str(following))

    def end(self, cursor: Cursor, outcome: Outcome) -> Messages:
        return _control(wire.END, {"outcome": outcome}, f"{cursor}{wire.SSE_END_SUFFIX}")

    def leave(self, retry: float) -> Messages:
        return ()  # to be cut says it too


def _control(name: str, fields: Mapping[str, JSON], identity: str | None) -> Messages:
    return (Message(name=name, value=fields, id=identity, control=True),)


class ReaderQueue:
    """One reader's queue, at most `QUEUED` messages, and what fills it."""

    def __init__(self, follower: Follower[Messages]) -> None:
        self._follower = follower
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue(QUEUED)

    async def fill(self) -> None:
        """Put the stream's messages into the queue, one by one; the reader's own task does this beside its sending."""
        async with aclosing(self._follower.frames()) as frames:
            async for messages in frames:
                for message in messages:
                    await self._queue.put(message)
        await self._queue.put(None)

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Yield them, one by one, until the reader has been told the end or is to leave."""
        while (message := await self._queue.get()) is not None:
            yield message
