"""What every client has in common: reconnecting, resuming, the watchdog, and the stream that is read."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final, Protocol, Self, TypeAlias

from streamlanes.clients.messages import Message, NotTaken, Opened, Ping
from streamlanes.clients.options import DEFAULTS, Options
from streamlanes.clients.position import Position
from streamlanes.clients.sending import Sender
from streamlanes.producers.errors import (
    ConnectionLost,
    CursorExpired,
    InvalidItem,
    MessageRefused,
    Refused,
    StreamEnded,
    StreamLost,
)
from streamlanes.producers.events import JSON, After, Cursor, Event, Outcome, encode_json
from streamlanes.producers.wire import Wire

LOG = logging.getLogger("streamlanes.clients")

GAPS_REMEMBERED: Final = 1000

Receive: TypeAlias = Callable[[After], AsyncGenerator[Message, None]]
"""Makes one connection that reads on from there, and yields what it says until it is closed.

Raises the project's errors only; closing the generator closes the connection. All that a wire has to do.
"""


class EventStream:
    """The events of one stream, in order, each once, over as many connections as it takes.

    Entering connects: `cursor` is then known, and a stream read from `now` misses nothing from then on. Whatever keeps
    the stream from being read (UnknownStream, CursorExpired, RequestRejected) is raised there. Iterating ends when the
    stream has ended, with its `outcome`; it raises

    - StreamFailed or StreamOrphaned if the stream ended early,
    - CursorExpired if events are missing, with their number where it is known (or goes on; see `Options.on_gap`),
    - StreamLost when reconnecting has brought nothing so many times (see `Options.attempts`),
    - UnknownStream, RequestRejected or ProtocolViolation, should a reconnect meet with these.

    Each event is dispatched first, then `cursor` moves to it: when the next one is asked for. So whoever stores
    `cursor` and connects with it again gets every event at least once: one whose processing was broken off (by an
    error, a cancellation, or leaving the loop) comes again. To store a place together with an event's effects, inside
    the loop, use `stream.cursor._replace(offset=event.offset)`.

    A cancelled `anext` takes nothing away: the next one connects again, at the cursor. One task reads at a time.
    Leaving closes the connection, and nothing keeps running.
    """

    def __init__(self, receive: Receive, sender: Sender, *, after: After, options: Options) -> None:
        self._receive = receive
        self._sender = sender
        self._options = options
        self._position = Position(after)
        self._messages: AsyncGenerator[Message, None] | None = None
        self._limit = options.open_timeout
        self._failures = 0
        self._opened = 0
        self._closed = False
        self._gaps: deque[CursorExpired] = deque(maxlen=GAPS_REMEMBERED)
        self._refusal: NotTaken | None = None
        self._waits_until: datetime | None = None

    @property
    def cursor(self) -> Cursor | None:
        """The last event that the reader is done with; save its `str()`, and connect with it, parsed, tomorrow."""
        return self._position.cursor

    @property
    def outcome(self) -> Outcome | None:
        """How the stream ended, after the iteration has: completed or deleted."""
        return self._position.outcome

    @property
    def reconnects(self) -> int:
        """How many times the connection had to be made again, and was."""
        return max(self._opened - 1, 0)

    @property
    def waits_until(self) -> datetime | None:
        """When the next attempt to connect is made (UTC), while there is no connection and none is being made."""
        return self._waits_until

    @property
    def gaps(self) -> Sequence[CursorExpired]:
        """The gaps that were gone past, in order: the last 1,000. There are none with on_gap="raise"."""
        return tuple(self._gaps)

    async def send(self, value: JSON) -> None:
        """Send *value* to the stream's producer, once: a call that fails isn't repeated.

        Over WebSocket as a frame on the connection that events come on, else as `POST /send/{id}`. May be called while
        another task reads. Raises

        - InvalidItem for what isn't JSON,
        - InboxFull if the producer hasn't taken enough of what was sent before,
        - StreamEnded, UnknownStream, RequestRejected (too long, for instance) and Refused, which say why,
        - ConnectionLost if nothing was heard of it; it may have arrived all the same.

        Over WebSocket returning means that it is on its way, and is no answer. If the server refuses it, that comes
        among the events, so it is only known once those are read: the next call then raises MessageRefused and sends
        nothing. The connection is made again by reading; until then, ConnectionLost.
        """
        if self._closed or not self._opened:
            raise RuntimeError("the stream isn't open; send in its block")
        try:
            text = encode_json(value)
        except InvalidItem as error:
            raise InvalidItem(f"only JSON can be sent: {error.__cause__}") from error
        if self.outcome is not None:
            raise StreamEnded(f"the stream has ended ({self.outcome}) and takes no more messages")
        refusal, self._refusal = self._refusal, None
        if refusal is not None:
            raise MessageRefused(f"an earlier message was refused ({refusal.reason}), and this one not sent")
        try:
            async with asyncio.timeout(self._options.open_timeout):
                await self._sender.send(text)
        except TimeoutError as error:
            raise ConnectionLost(f"the message wasn't taken within {self._options.open_timeout:g} s") from error

    async def __aenter__(self) -> Self:
        try:
            while not self._opened:
                await self._advance()
        except BaseException:  # a cancellation too: without the block nobody else would close it
            await self._disconnect()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        try:
            await self._disconnect()
        finally:
            await self._sender.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._closed:
            raise RuntimeError("the stream was closed when its block was left; connect again, with its cursor")
        self._position.settle()
        while self.outcome is None:
            event = await self._advance()
            if event is not None:
                return event
        await self._disconnect()
        raise StopAsyncIteration

    async def _advance(self) -> Event | None:
        """Take one message, reconnecting if need be; return its event if it is one."""
        message = await self._next_message()
        try:
            event = self._take(message)
        except BaseException:  # also what a caller's own function for gaps raises
            await self._disconnect()
            raise
        if isinstance(message, Opened):
            self._opened += 1
            self._limit = message.heartbeat + self._options.grace
        if event is not None or isinstance(message, Ping):
            self._failures = 0
        return event

    def _take(self, message: Message) -> Event | None:
        if isinstance(message, NotTaken):
            LOG.warning("a message that was sent was refused: %s", message.reason)
            self._refusal = message
        try:
            return self._position.take(message)
        except CursorExpired as gap:
            self._skip(gap)
            return None

    def _skip(self, gap: CursorExpired) -> None:
        """Go on behind *gap*, or raise it. It is told before the cursor moves, as events are."""
        match self._options.on_gap:
            case "raise":
                raise gap
            case "skip":
                LOG.warning("%s; going on there", gap)
            case tell:
                tell(gap)
        self._position.skip(gap)
        self._gaps.append(gap)

    async def _next_message(self) -> Message:
        while True:
            if self._messages is None:
                self._messages = self._receive(self._position.begin())
                self._limit = self._options.open_timeout
            # Whatever it raises, the generator has closed its connection and is finished.
            messages, self._messages = self._messages, None
            try:
                async with asyncio.timeout(self._limit):
                    message = await anext(messages)
            except CursorExpired as gap:
                if self._options.on_gap == "raise":
                    raise
                self._position.refuse(gap)
                continue
            except ConnectionLost as error:
                lost = error
            except TimeoutError:
                lost = ConnectionLost(f"nothing came for {self._limit:g} s")
            except StopAsyncIteration:
                lost = ConnectionLost("the connection was closed before the stream's end")
            else:
                self._messages = messages
                return message
            await self._back_off(lost)

    async def _back_off(self, lost: ConnectionLost) -> None:
        self._failures += 1
        if self._failures >= self._options.attempts:
            tried, self._failures = self._failures, 0
            place = "" if self.cursor is None else f"; go on from {self.cursor}"
            raise StreamLost(f"gave up after {tried} attempts without progress{place}: {lost}") from lost
        delay = self._options.delay(self._failures, lost.retry_after if isinstance(lost, Refused) else 0.0)
        LOG.info("connection lost (%s); attempt %d in %.2f s", lost, self._failures + 1, delay)
        self._waits_until = datetime.now(UTC) + timedelta(seconds=delay)
        try:
            await self._options.sleep(delay)
        finally:
            self._waits_until = None

    async def _disconnect(self) -> None:
        messages, self._messages = self._messages, None
        if messages is not None:
            await messages.aclose()


class Client(Protocol):
    """Reads one wire."""

    wire: Wire

    def connect(self, url: str, *, after: After = "start", options: Options = DEFAULTS) -> EventStream:
        """Return the stream at *url*, to be entered with `async with`.

        Raises ValueError for what isn't a URL, and for an *after* that is no place.
        """
        ...
