"""Long polls answered with ready-made bytes: at once where there is something, else by one task per stream.

A poll that waits is a place in its stream's list and a time on the service's wheel; what its request was made of is
gone. All that wait at the same place for the same number of events get the same bytes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeAlias, cast

from starlette.types import Receive, Scope, Send

from streamlanes.producers.errors import CursorExpired, StreamError
from streamlanes.producers.events import After, Cursor
from streamlanes.producers.log.event_log import Batch
from streamlanes.transports.outlet import DEFERRED, ResponseOutlet, is_waited_for, lent
from streamlanes.transports.problems import from_error
from streamlanes.transports.service.connection import Connection, connection_of
from streamlanes.transports.service.metrics import LaneMetrics
from streamlanes.transports.service.service import ServiceOver, StreamService
from streamlanes.transports.writing.taken import Taken
from streamlanes.transports.writing.writer import PASS_SECONDS, WAIT

logger = logging.getLogger("streamlanes")

HEADERS: Final = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]


class Question(NamedTuple):
    """What a poll asks for."""

    after: After
    wait: float
    limit: int
    max_bytes: int


Parse: TypeAlias = Callable[[Scope], Question | None]
"""Reads a request's parameters; None for whatever is unusual in them."""


class Polls:
    """A lane's polls that come to our own server with a usual question, and are past the door.

    Any other, and each that is to be told of an error, is left to the lane's route.
    """

    def __init__(
        self, service: StreamService, metrics: LaneMetrics, parse: Parse, body: Callable[[str, Batch], bytes]
    ) -> None:
        self.service = service
        self.metrics = metrics
        self.body = body
        self._parse = parse
        self._waiting: dict[str, WaitingPolls] = {}

    async def __call__(self, stream: str, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answer a poll of *stream*, or see to it that it will be; False: it is the route's."""
        outlet, connection = cast("ResponseOutlet | None", lent(scope, receive, send)), connection_of(scope)
        question = None if outlet is None or connection is None else self._parse(scope)
        if outlet is None or connection is None or question is None:
            return False
        after, wait, limit, max_bytes = question
        try:
            batch = await self.service.read(stream, after, limit=limit, max_bytes=max_bytes, wait=0)
        except StreamError:
            return False
        wait = self.service.departure.patience(wait)
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS, DEFERRED: True})
        if batch.events or batch.outcome is not None or wait <= 0:
            self.service.sent(stream, batch, self.metrics, live=False)
            outlet.answer(self.body(stream, batch))
            return True
        poll, waited_for = WaitingPoll(outlet, connection, question, batch), is_waited_for(scope)
        if outlet.take(poll) is None:
            return True  # its client has just left
        connection.hand_over()
        self._wait(stream, poll, wait)
        if waited_for:
            await poll.until_over()
        return True

    def _wait(self, stream: str, poll: WaitingPoll, wait: float) -> None:
        try:
            waiting = self._waiting.get(stream)
            if waiting is None:
                waiting = self._waiting[stream] = WaitingPolls(self, stream, poll.empty.cursor)
            waiting.add(poll, wait)
        except ServiceOver:
            poll.answer(self.body(stream, poll.empty))

    def forget(self, stream: str, waiting: WaitingPolls) -> None:
        """Let go of polls that have all been answered."""
        if self._waiting.get(stream) is waiting:
            del self._waiting[stream]


class WaitingPoll(Taken):
    """A poll with no answer yet."""

    __slots__ = ("_outlet", "_waiting", "empty", "question", "slot")

    def __init__(self, outlet: ResponseOutlet, connection: Connection, question: Question, empty: Batch) -> None:
        super().__init__()
        self._outlet = outlet
        self._connection = connection
        self.question = question
        self.empty = empty
        """Its answer when its time is over."""
        self.slot = 0
        self._waiting: WaitingPolls | None = None

    def enter(self, waiting: WaitingPolls) -> None:
        """Note who has it."""
        self._waiting = waiting

    def answer(self, body: bytes) -> None:
        """Answer it, and be done."""
        if not self.over:
            self._outlet.answer(body)
            self.lost()

    def refuse(self, error: StreamError) -> None:
        """Answer it with a problem."""
        if not self.over:
            problem = from_error(error)
            self._outlet.answer(bytes(problem.body), status=problem.status_code, media_type=problem.media_type)
            self.lost()

    def abort(self) -> None:
        self._outlet.abort()
        self.lost()

    def lost(self) -> None:
        """As `Owner.lost`."""
        if not self.over:
            if self._waiting is not None:
                self._waiting.discard(self)
            self.finish()

    def beat(self) -> None:
        """Its time is over."""
        if self._waiting is not None:
            self.answer(self._waiting.body(self.empty))

    def paused(self) -> None:
        """As `Owner.paused`; nothing is written to it meanwhile."""

    def resumed(self) -> None:
        """As `Owner.resumed`."""

    def received(self, _: Mapping[str, object]) -> bool:
        """As `Owner.received`, which is for WebSockets."""
        return True


class WaitingPolls:
    """Those of one stream, and the task that reads for them."""

    def __init__(self, polls: Polls, stream: str, cursor: Cursor) -> None:
        self._polls = polls
        self._stream = stream
        self._cursor = cursor
        self._waiting: dict[WaitingPoll, None] = {}
        self._reads = False
        self._task = polls.service.spawn(self._run())

    def add(self, poll: WaitingPoll, wait: float) -> None:
        """Take in one that has everything up to the stream's head."""
        self._waiting[poll] = None
        poll.enter(self)
        poll.slot = self._polls.service.timers.add(poll, wait)

    def discard(self, poll: WaitingPoll) -> None:
        """Let one go; with the last one the task ends."""
        self._waiting.pop(poll, None)
        self._polls.service.timers.discard(poll, poll.slot)
        if self._reads and not self._waiting:
            self._polls.forget(self._stream, self)
            self._task.cancel()

    def body(self, batch: Batch) -> bytes:
        """Return the answer that *batch* is."""
        return self._polls.body(self._stream, batch)

    async def _run(self) -> None:
        try:
            while self._waiting:
                try:
                    await self._until_there_is_something()
                    await self._answer_all()
                except CursorExpired as expired:  # a new epoch, or more has come at once than is kept
                    self._cursor = expired.oldest
                    await self._answer_all()
                    await asyncio.sleep(0)  # whatever happens next, others have their turn
        except StreamError as error:
            for poll in list(self._waiting):
                poll.refuse(error)
        except Exception:  # of the log's; a task of the service may not fail, or it would take all others along
            logger.exception("a stream's polls can't be answered; they are cut off")
            for poll in list(self._waiting):
                poll.abort()
        finally:
            self._polls.forget(self._stream, self)

    async def _until_there_is_something(self) -> None:
        read = self._polls.service.read
        self._reads = True
        try:
            while self._waiting:
                batch = await read(self._stream, self._cursor, limit=1, max_bytes=1, wait=WAIT)
                if batch.events or batch.outcome is not None or self._polls.service.draining:
                    return
        finally:
            self._reads = False

    async def _answer_all(self) -> None:
        """Answer all for whom there is something, and while the server is going away the others too."""
        service, metrics = self._polls.service, self._polls.metrics
        made: dict[tuple[Cursor, int, bool], tuple[Batch, bytes] | StreamError] = {}
        begun = time.monotonic()
        for poll in list(self._waiting):
            key = (poll.empty.cursor, poll.question.limit, isinstance(poll.question.after, Cursor))
            found = made.get(key)
            if found is None:
                found = made[key] = await self._read(poll)
            if isinstance(found, StreamError):
                poll.refuse(found)
                continue
            batch, body = found
            if not poll.over and (batch.events or batch.outcome is not None or service.draining):
                service.sent(self._stream, batch, metrics, live=True)
                try:
                    poll.answer(body)
                except Exception:  # of this one's connection, and none of the others' matter
                    logger.exception("a poll can't be answered; it is cut off")
                    poll.abort()
            else:
                poll.empty = Batch((), batch.cursor, None)  # a new place, if the old one is gone
            if time.monotonic() - begun > PASS_SECONDS:
                await asyncio.sleep(0)
                begun = time.monotonic()
        for poll in self._waiting:  # that have come since; the first is as far back as any
            self._cursor = poll.empty.cursor
            break

    async def _read(self, poll: WaitingPoll) -> tuple[Batch, bytes] | StreamError:
        after, _, limit, max_bytes = poll.question
        read = self._polls.service.read
        try:
            batch = await read(self._stream, poll.empty.cursor, limit=limit, max_bytes=max_bytes, wait=0)
        except CursorExpired as expired:
            if isinstance(after, Cursor):
                return expired
            # Who asked for no place in particular has missed none.
            batch = await read(self._stream, expired.oldest, limit=limit, max_bytes=max_bytes, wait=0)
        return batch, self.body(batch)
