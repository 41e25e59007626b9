"""What can go wrong with a stream.

StreamError
├── InvalidItem           the producer yielded something that no wire can carry
├── InvalidCursor         text that isn't a cursor
├── UnknownStream         no such stream here: a wrong id, or one that was removed
├── CursorExpired         the log can't continue from this cursor
├── StreamEnded           the stream takes no more items or messages
├── InboxFull             the producer hasn't taken what was sent before
├── MessageRefused        the server didn't accept an earlier message of this connection
├── MessageTooLarge       a client sent more than a message may be
├── EventTooLarge         the producer yielded more than an event may be
├── UpstreamFailed        the API that a producer relays refused, fell silent or broke off
├── PacerLost             the process that was to wake the producers went away
├── StreamFailed          the stream ended early: its producer raised
├── StreamOrphaned        the stream ended early: its producer's process went away
└── ConnectionLost        the connection broke, or couldn't be made; a client tries again
    ├── Refused           the server said not now (429, 503); a client tries again, after `retry_after` if given
    └── StreamLost        a client has given up trying
RequestRejected (StreamError) the server won't have this request; trying again can't help
ProtocolViolation (StreamError) the other side sent what the wire doesn't allow
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamlanes.producers.events import Cursor


class StreamError(Exception):
    """Base of all errors of this project's libraries."""


class InvalidItem(StreamError, ValueError):
    """The producer yielded a value that isn't JSON, or a type that isn't a plain name; mend the producer."""


class InvalidCursor(StreamError, ValueError):
    """The text isn't EPOCH:OFFSET; send a cursor that a server gave out, or `start` or `now`."""


class UnknownStream(StreamError, LookupError):
    """There is no such stream here: the id is wrong, or the stream was removed; start a new one."""


class CursorExpired(StreamError):
    """The log can't continue from this cursor; read on from `oldest`, or start again.

    `oldest` is the cursor just before the first event still held, `head` that of the last event. `missing` is the
    number of events between the cursor and `oldest`, or None where that can't be known (another epoch, or a cursor
    beyond the head).
    """

    def __init__(self, after: Cursor, *, oldest: Cursor, head: Cursor, missing: int | None) -> None:
        lost = "an unknown number of" if missing is None else missing
        super().__init__(f"cursor {after} can't be continued ({lost} events missing); read on from {oldest}")
        self.after = after
        self.oldest = oldest
        self.head = head
        self.missing = missing


class StreamEnded(StreamError):
    """The stream has ended and takes no more items or messages."""


class InboxFull(StreamError):
    """The producer hasn't taken what was sent before; send it again later."""


class MessageRefused(StreamError):
    """The server didn't accept a message that was sent over the same connection before; it says why."""


class MessageTooLarge(StreamError, ValueError):
    """The message to the producer is over the limit; send less at once, or raise `max_message_bytes`."""


class EventTooLarge(StreamError, ValueError):
    """The producer yielded an event over the limit; split it, or raise `max_event_bytes`."""


class UpstreamFailed(StreamError):
    """The API that a producer relays didn't answer, or not to the end; the message has no part of its key."""


class PacerLost(StreamError):
    """The process that was to wake the producers at their times went away; only measured runs have one."""


class StreamFailed(StreamError):
    """The stream ended early because its producer failed; what was received before is valid."""


class StreamOrphaned(StreamError):
    """The stream ended early because its producer's process went away; what was received before is valid."""


class ConnectionLost(StreamError):
    """The connection broke, or could not be made. Clients try again from their cursor."""


class Refused(ConnectionLost):
    """The server can't take this now (`status` 429: too much; 503: it is going away).

    Clients try again, not before `retry_after` seconds.
    """

    def __init__(self, message: str, *, status: int = 429, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class StreamLost(ConnectionLost):
    """The client has given up reconnecting; `EventStream.cursor` says where to go on."""


class RequestRejected(StreamError):
    """The server won't have this request (`status` 4xx, or its WebSocket close code); mend the request."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class ProtocolViolation(StreamError):
    """The other side sent what the wire doesn't allow; the two are of different versions, or something between
    them changes the bytes.
    """
