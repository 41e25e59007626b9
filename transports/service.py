"""Sessions and shared streams: who produces into the log, who reads it, and when that ends."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from producers.catalogue import PRODUCERS
from producers.errors import Refused, UnknownStream
from producers.events import JSON, After, Cursor, Item, Outcome
from producers.inbox import Inbox
from producers.journal import Journal
from producers.log import Batch, EventLog, StreamInfo
from producers.memory import MemoryLog
from producers.pacing import LoopPacer, Pacer
from producers.producer import Context, Producer
from producers.pump import pump
from transports.connection import Connection
from transports.metrics import LaneMetrics, Metrics
from transports.sessions import Session, SharedStream
from transports.settings import Settings

logger = logging.getLogger("streamlanes")

READ_EVENTS: Final = 256
READ_BYTES: Final = 64 * 1024
"""What a streaming lane reads at once: enough to make the work per event small, little enough to send in one go."""

RETRY_SECONDS: Final = 5.0
"""What a reader or starter over a limit is asked to wait."""


class StreamService:
    """Starts producers, keeps their streams, and removes those that nobody reads any more.

    An async context manager: leaving it ends running streams as `orphaned`. One service belongs to one event loop.
    """

    def __init__(
        self,
        *,
        producers: Mapping[str, Producer[Any]] = PRODUCERS,
        shared: Sequence[SharedStream] = (),
        settings: Settings | None = None,
        log: EventLog | None = None,
        pacer: Pacer | None = None,
        journal: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare a service.

        *settings*: by default those of the environment. *journal*: a directory to leave each stream's journal in (see
        `producers.journal`), for measurements.
        """
        self.producers = producers
        self.settings = settings or Settings()
        self.metrics = Metrics()
        self._shared = shared
        self._log = MemoryLog() if log is None else log
        self._pacer = pacer or LoopPacer()
        self._journal = journal
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._running = AsyncExitStack()
        self._tasks: asyncio.TaskGroup | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._readers = 0
        self.connections: set[Connection] = set()
        self._idle = asyncio.Event()
        self._drained_at: float | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._tasks = await stack.enter_async_context(asyncio.TaskGroup())
            stack.push_async_callback(self.close)
            self._sweeper = self._tasks.create_task(self._sweep())
            for stream in self._shared:
                await self._start(stream.name, stream.producer, stream.params, shared=True)
            self._running = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running.__aexit__(kind, error, trace)
        self._tasks = None

    async def close(self) -> None:
        """Stop all producers; their streams end as `orphaned`, and their readers learn it at once."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for session in list(self._sessions.values()):
            await self._stop(session)

    # Going away

    @property
    def draining(self) -> bool:
        """Whether no new sessions are taken any more."""
        return self._drained_at is not None

    async def drain(self, seconds: float | None = None) -> None:
        """Take no new sessions, let the running ones end, and return when they have, or after *seconds*.

        By default `settings.drain`. Waiting polls are answered at once. Readers of shared streams, which don't end,
        are sent away one by one over the time (see `stays_for`), and asked to come back later, spread over as long
        again. What runs on after that is for `close` to end.
        """
        limit = self.settings.drain if seconds is None else seconds
        self._drained_at = self._clock() + limit
        self._look_idle()
        for stream in list(self._sessions):
            await self._log.wake(stream)
        try:
            async with asyncio.timeout(limit):
                await self._idle.wait()
        except TimeoutError:
            logger.info("the time to drain is over; %d sessions still run", self._running_sessions())

    def stays_for(self, stream: str) -> float | None:
        """Return after how many seconds a reader is to be sent away, at random; None: it may stay."""
        session = self._sessions.get(stream)
        if self._drained_at is None or session is None or not session.shared:
            return None
        # Not in the last tenth, so that the last of them are told before the process goes.
        return random.uniform(0, 0.9) * max(self._drained_at - self._clock(), 0)  # noqa: S311

    def back_in(self) -> float:
        """Return how many seconds a reader that is sent away is asked to wait.

        Until the drain is over, and then for a random part of as long again, so that they don't all come at once.
        """
        left = max((self._drained_at or 0) - self._clock(), 0)
        return left + random.uniform(0, self.settings.drain)  # noqa: S311

    def _running_sessions(self) -> int:
        return sum(1 for session in self._sessions.values() if session.running and not session.shared)

    def _look_idle(self) -> None:
        if self.draining and not self._readers and not self._running_sessions():
            self._idle.set()

    # Sessions

    def check_running(self) -> asyncio.TaskGroup:
        """Raise RuntimeError unless the service has been entered, and all is well with it."""
        if self._tasks is None or self._sweeper is None or (self._sweeper.done() and not self.draining):
            raise RuntimeError("the service isn't running; enter it (async with service) in the app's lifespan")
        return self._tasks

    @property
    def sessions(self) -> Mapping[str, Session]:
        """All streams by id or name."""
        return self._sessions

    async def start(
        self, producer: str, params: Mapping[str, object], *, stop_when_unread: float | None = None
    ) -> Session:
        """Start a private session.

        *stop_when_unread*: seconds after which its producer is stopped once the last reader has left. Raises KeyError
        for an unknown producer, pydantic.ValidationError for parameters that it won't have, Refused over the limit of
        sessions and while draining.
        """
        if self._drained_at is not None:
            raise Refused("the server is going away; start it elsewhere", status=503, retry_after=self.back_in())
        if len(self._sessions) - len(self._shared) >= self.settings.max_sessions:
            raise Refused("there are too many sessions; try again later", retry_after=RETRY_SECONDS)
        return await self._start(
            secrets.token_urlsafe(16), producer, params, shared=False, stop_when_unread=stop_when_unread
        )

    async def delete(self, session_id: str) -> None:
        """Stop a session's producer and drop its events. Raises UnknownStream, also for shared streams."""
        await self._remove(self._private(session_id))

    def send(self, session_id: str, message: JSON) -> None:
        """Put *message* into the inbox of a session's producer.

        Raises UnknownStream, also for shared streams, InboxFull, StreamEnded.
        """
        self._private(session_id).inbox.put(message)

    async def info(self, stream: str) -> StreamInfo:
        """Return a stream's extent and state. Raises UnknownStream."""
        return await self._log.info(stream)

    async def read(self, stream: str, after: After, *, limit: int, max_bytes: int, wait: float) -> Batch:
        """Read the log, as `EventLog.read`."""
        return await self._log.read(stream, after, limit=limit, max_bytes=max_bytes, wait=wait)

    async def append(self, stream: str, items: Sequence[Item]) -> Cursor:
        """Append to a stream, as `EventLog.append`, and count."""
        head = await self._log.append(stream, items)
        session = self._sessions[stream]
        session.appended_at = self._clock()
        session.head = head.offset
        self.metrics.appended += len(items)
        if session.forsaken:
            self.metrics.appended_unread += len(items)
        return head

    def sent(self, stream: str, batch: Batch, lane: LaneMetrics, *, live: bool) -> None:
        """Count a batch that is handed to the server for sending.

        *live*: its reader waited for it. What a reader finds when it comes says nothing of how long sending takes.
        """
        lane.delivered += len(batch.events)
        session = self._sessions.get(stream)
        if live and session is not None and batch.events and batch.cursor.offset == session.head:
            lane.observe(self._clock() - session.appended_at)

    @contextmanager
    def reading(self, stream: str, *, lingering: float = 0.0) -> Iterator[None]:
        """Count a reader of *stream*, which keeps its session from being taken for abandoned.

        It counts as present for *lingering* seconds after it has left. Raises Refused over a limit on readers, and,
        for shared streams, while draining.
        """
        session = self._sessions.get(stream)
        if self._readers >= self.settings.max_connections:
            raise Refused("the server has too many readers; try again later", retry_after=RETRY_SECONDS)
        if session is not None and session.readers >= self.settings.max_readers:
            raise Refused("the stream has too many readers; try again later", retry_after=RETRY_SECONDS)
        if self._drained_at is not None and session is not None and session.shared:
            raise Refused("the server is going away; come back later", status=503, retry_after=self.back_in())
        self._readers += 1
        if session is not None:  # a tombstone has readers too, but nothing to keep
            session.enter()
        try:
            yield
        finally:
            self._readers -= 1
            if session is not None:
                session.leave(self._clock() + lingering)
            self._look_idle()

    def _private(self, session_id: str) -> Session:
        session = self._sessions.get(session_id)
        if session is None:
            raise UnknownStream("there is no such session here; it may have been deleted already")
        if session.shared:
            raise UnknownStream("this is a shared stream; it stays for as long as the server runs")
        return session

    async def _start(
        self,
        stream: str,
        producer: str,
        params: Mapping[str, object],
        *,
        shared: bool,
        stop_when_unread: float | None = None,
    ) -> Session:
        tasks = self.check_running()
        inbox = Inbox(self.settings.max_inbox)
        items = self.producers[producer].start(params, Context(start_ns=time.monotonic_ns(), inbox=inbox))
        session = Session(
            id=stream,
            producer=producer,
            cursor=await self._log.create(stream, self.settings.retention),
            shared=shared,
            inbox=inbox,
            stop_when_unread=stop_when_unread,
            left_at=self._clock(),
        )
        self._sessions[stream] = session
        logger.info("started", extra=session.fields)
        session.task = tasks.create_task(self._produce(session, items))
        return session

    async def _produce(self, session: Session, items: AsyncGenerator[Item, None]) -> None:
        outcome = Outcome.COMPLETED
        try:
            with nullcontext() if self._journal is None else Journal(self._journal, session.cursor.epoch) as journal:
                await pump(items, self, session.id, pacer=self._pacer, journal=journal)
        except Exception:  # the border to other people's code: whatever it raises, its readers must learn of the end
            logger.exception("producer failed", extra=session.fields)
            outcome = Outcome.FAILED
        finally:
            session.running = False
            session.inbox.close()
            self._look_idle()
        await self._finish(session, outcome)

    async def _finish(self, session: Session, outcome: Outcome) -> None:
        self.metrics.ended[outcome] += 1
        logger.info("ended", extra={**session.fields, "outcome": outcome, "events": session.head})
        await self._log.finish(session.id, outcome)

    async def _stop(self, session: Session) -> None:
        if session.running and session.task is not None:
            session.task.cancel()
            session.running = False
            session.inbox.close()
            await self._finish(session, Outcome.ORPHANED)

    async def _remove(self, session: Session) -> None:
        if session.task is not None:
            session.task.cancel()
        del self._sessions[session.id]
        if session.running:
            self.metrics.ended[Outcome.DELETED] += 1
            logger.info("ended", extra={**session.fields, "outcome": Outcome.DELETED, "events": session.head})
        await self._log.delete(session.id)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(self.settings.session_ttl / 10, 0.5))
            self._drop_blocked()
            await self._look_after_sessions()

    def _drop_blocked(self) -> None:
        since = time.monotonic() - self.settings.send_timeout
        for connection in self.connections:
            if connection.blocked_since is not None and connection.blocked_since <= since:
                connection.drop()

    async def _look_after_sessions(self) -> None:
        now = self._clock()
        for session in list(self._sessions.values()):
            if session.abandoned(now, self.settings.session_ttl):
                logger.info("abandoned, and removed", extra=session.fields)
                await self._remove(session)
            elif session.unread_too_long(now):
                logger.info("without a reader, and stopped", extra=session.fields)
                await self._stop(session)
            else:
                await self._log.info(session.id)  # lets retention by age go on in streams that nobody reads
