"""Where a reader is in its stream, and what it will accept next. No I/O: messages in, events out."""

from __future__ import annotations

from streamlanes.clients.messages import Ended, Gap, Message, NotTaken, Opened, Ping, Received
from streamlanes.producers.errors import CursorExpired, InvalidCursor, ProtocolViolation, StreamFailed, StreamOrphaned
from streamlanes.producers.events import After, Cursor, Event, Outcome


class Position:
    """Follows one stream over any number of connections.

    Accepts only what continues it: an `open` at the place that was asked for, then each offset the last plus one, in
    the same epoch. A server resumes after the cursor, so a repeated event is as wrong as a missing one.

    Raises InvalidCursor for a place to begin that isn't one, such as a cursor's text.
    """

    def __init__(self, after: After) -> None:
        if not isinstance(after, Cursor) and after not in ("start", "now"):
            # A cursor as text would even work, until it is one that the server can't continue.
            raise InvalidCursor(
                f"after is {after!r:.80}, not a Cursor, 'start' or 'now'; Cursor.parse reads a saved one"
            )
        self._after = after
        self._open = False
        self._given: Cursor | None = None
        self._refused: CursorExpired | None = None
        self.cursor = after if isinstance(after, Cursor) else None
        """The last event that the reader is done with; None until `start` or `now` has been resolved."""
        self.outcome: Outcome | None = None
        """How the stream ended: completed or deleted."""

    def begin(self) -> After:
        """Return where a new connection is to read on from, and expect its `open`."""
        self._open = False
        if self._refused is not None:
            return "start"
        return self._after if self.cursor is None else self.cursor

    def settle(self) -> None:
        """The reader is done with the event that it was given last."""
        if self._given is not None:
            self.cursor, self._given = self._given, None

    def take(self, message: Message) -> Event | None:
        """Accept the next message, and return its event if it is one; `settle` before the next.

        After `refuse` the `open` raises CursorExpired, with the gap as it then is.

        Raises StreamFailed, StreamOrphaned, CursorExpired for a gap, ProtocolViolation for what doesn't continue.
        """
        if isinstance(message, Opened):
            self._take_open(message)
            return None
        cursor = self.cursor
        if cursor is None or not self._open:
            raise ProtocolViolation(f"the connection begins with {type(message).__name__.lower()} instead of open")
        match message:
            case Received():
                return self._take_event(message, Cursor(cursor.epoch, cursor.offset + 1))
            case Gap():
                raise _expired(message, cursor)
            case Ended(Outcome.FAILED):
                raise StreamFailed(f"the stream's producer failed after event {cursor}")
            case Ended(Outcome.ORPHANED):
                raise StreamOrphaned(f"the stream's producer went away after event {cursor}")
            case Ended(outcome):
                self.outcome = outcome
            case Ping() | NotTaken():
                pass
        return None

    def skip(self, gap: CursorExpired) -> None:
        """Go on behind *gap*, which the caller has been told of.

        Raises ProtocolViolation if that is no other place than before it.
        """
        self._check(gap)
        self.cursor, self._refused = gap.oldest, None

    def refuse(self, gap: CursorExpired) -> None:
        """The server won't continue the cursor: connect anew from the oldest event that it then holds.

        Not from the place that it told: that may be gone by the next request. How much is missing, the `open` tells.
        Raises ProtocolViolation as `skip` does.
        """
        self._check(gap)
        self._refused = gap

    def _check(self, gap: CursorExpired) -> None:
        if gap.oldest == self.cursor:
            raise ProtocolViolation(f"the server can't go on from {gap.oldest}, and says to go on from there")

    def _take_event(self, message: Received, expected: Cursor) -> Event:
        given = Cursor(message.epoch, message.event.offset)
        if given != expected:
            raise ProtocolViolation(f"event {given} came where {expected} was due")
        self._given = given
        return message.event

    def _take_open(self, message: Opened) -> None:
        if self._open:
            raise ProtocolViolation("the connection was opened twice")
        if self._refused is not None:
            self._open = True
            raise _gap_to(message.cursor, self._refused)
        if self.cursor is not None and message.cursor != self.cursor:
            raise ProtocolViolation(f"asked to go on from {self.cursor}, the server goes on from {message.cursor}")
        self._open = True
        self.cursor = message.cursor


def _expired(gap: Gap, cursor: Cursor) -> CursorExpired:
    """Return what *gap* tells a reader at *cursor*. Raises ProtocolViolation if it can't be meant for that one."""
    if gap.after != cursor:
        raise ProtocolViolation(f"a gap after {gap.after} was told to a reader at {cursor}")
    if gap.next.epoch == cursor.epoch and gap.next.offset <= cursor.offset:
        raise ProtocolViolation(f"a gap was told that begins after {cursor} and ends at {gap.next}")
    # The message has no head. It isn't before `next`, and whoever reads on from there will see.
    return CursorExpired(cursor, oldest=gap.next, head=gap.next, missing=gap.missing)


def _gap_to(oldest: Cursor, refused: CursorExpired) -> CursorExpired:
    """Return the gap that *refused* told, as it is now that the log begins after *oldest*."""
    after = refused.after
    missing = oldest.offset - after.offset if oldest.epoch == after.epoch and oldest.offset > after.offset else None
    head = refused.head if refused.head.epoch == oldest.epoch and refused.head.offset > oldest.offset else oldest
    return CursorExpired(after, oldest=oldest, head=head, missing=missing)
