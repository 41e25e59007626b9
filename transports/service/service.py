"""Sessions and shared streams: who produces into the log, who reads it, and when that ends."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from streamlanes.producers.catalogue import PRODUCERS
from streamlanes.producers.errors import Refused, UnknownStream
from streamlanes.producers.events import JSON, After, Cursor, Item, Outcome
from streamlanes.producers.inbox import Inbox
from streamlanes.producers.log.event_log import Batch, EventLog, StreamInfo
from streamlanes.producers.log.memory import MemoryLog
from streamlanes.producers.pacing.pacers import LoopPacer, Pacer
from streamlanes.producers.producer import Context, Producer
from streamlanes.producers.timer_wheel import TimerWheel
from streamlanes.transports.service.connection import Connection
from streamlanes.transports.service.drain import Departure
from streamlanes.transports.service.metrics import LaneMetrics, Metrics
from streamlanes.transports.service.producing import produce
from streamlanes.transports.service.readers import RETRY_SECONDS, Readers
from streamlanes.transports.service.sessions import Session, SharedStream
from streamlanes.transports.service.settings import Settings
from streamlanes.transports.service.upkeep import Upkeep

logger = logging.getLogger("streamlanes")

READ_EVENTS: Final = 256
READ_BYTES: Final = 64 * 1024
"""What a streaming lane reads at once: enough to make the work per event small, little enough to send in one go."""

NOT_RUNNING: Final = (
    "the service isn't running; enter it (async with service) in the app's lifespan, which the server has to run"
)


class Timed(Protocol):
    """What a service's timers are for."""

    def beat(self) -> None:
        """Its time has come."""
        ...


class ServiceOver(Exception):
    """The service has ended, and works for nobody any more."""


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
        self._retention = self.settings.retention
        self._shared = shared
        self._log = MemoryLog() if log is None else log
        self._pacer = pacer or LoopPacer()
        self._journal = journal
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._running = AsyncExitStack()
        self._tasks: asyncio.TaskGroup | None = None
        self._keeping: asyncio.Task[None] | None = None
        self.connections: set[Connection] = set()
        self.timers: TimerWheel[Timed] = TimerWheel(_beat)
        """Of all readers of all lanes."""
        self.told: set[str] = set()
        """What the log needn't say again."""
        self._idle = asyncio.Event()
        self.departure = Departure(clock)
        self._readers = Readers(self.settings, self.departure, clock)
        self._upkeep = Upkeep(
            self.settings, clock, self._log, self.connections, self._sessions, remove=self._remove, stop=self._stop
        )
        self._starting = 0
        self._closed = False

    async def __aenter__(self) -> Self:
        self._closed = False
        async with AsyncExitStack() as stack:
            self._tasks = await stack.enter_async_context(asyncio.TaskGroup())
            stack.push_async_callback(self.close)
            self._keeping = self._tasks.create_task(self._upkeep.run())
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
        """Stop all producers; their streams end as `orphaned`, and their readers learn it at once.

        No new ones are taken from then on.
        """
        self._closed = True
        if self._keeping is not None:
            self._keeping.cancel()
        for session in list(self._sessions.values()):
            await self._stop(session)

    # Going away

    @property
    def draining(self) -> bool:
        """Whether no new sessions are taken any more."""
        return self.departure.under_way

    async def drain(self, seconds: float | None = None) -> None:
        """Take no new sessions, let the running ones end, and return when they and their readers have, or in time.

        *seconds* is the time, by default `settings.drain`. Waiting polls are answered at once. Readers of shared
        streams, which don't end, are sent away one by one over the time (see `stays_for`), and asked to come back
        later, spread over as long again. What runs on after that is for `close` to end. May be called again, which
        doesn't make it later.

        `streamlanes serve` does all this at SIGTERM. An app that a service is mounted in calls it as soon as it is told
        to go, then `close`, and only then has its server end: docs/deploying.md has how. A lifespan's end is too late:
        uvicorn gets there only when all responses are done, and streams are never done.
        """
        limit = self.settings.drain if seconds is None else seconds
        self.departure.begin(limit)
        self._look_idle()
        for stream in list(self._sessions):
            with suppress(UnknownStream):  # it was removed meanwhile
                await self._log.wake(stream)
        try:
            async with asyncio.timeout(limit):
                await self._idle.wait()
        except TimeoutError:
            logger.info("the time to drain is over; %d sessions still run", self._running_sessions())

    @property
    def attended(self) -> bool:
        """Whether anybody reads: over a connection, or with polls, between two questions."""
        now = self._clock()
        return bool(self._readers.count) or any(session.attended(now) for session in self._sessions.values())

    def stays_for(self, stream: str) -> float | None:
        """Return after how many seconds a reader is to be sent away, at random; None: it may stay."""
        session = self._sessions.get(stream)
        return self.departure.stay() if self.draining and session is not None and session.shared else None

    def _running_sessions(self) -> int:
        return sum(1 for session in self._sessions.values() if session.running and not session.shared)

    def _look_idle(self) -> None:
        if self.draining and not self._readers.count and not self._running_sessions():
            self._idle.set()

    # Sessions

    def check_running(self) -> asyncio.TaskGroup:
        """Raise RuntimeError unless the service has been entered, and all is well with it."""
        if self._tasks is None or self._keeping is None or (self._keeping.done() and not self.draining):
            raise RuntimeError(NOT_RUNNING)
        return self._tasks

    @property
    def entered(self) -> bool:
        """Whether it has ever run. One that has ended still tells its streams' readers how those did."""
        return self._keeping is not None

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
        self._check_taking()
        if len(self._sessions) + self._starting - len(self._shared) >= self.settings.max_sessions:
            raise Refused("there are too many sessions; try again later", retry_after=RETRY_SECONDS)
        self._starting += 1
        try:
            return await self._start(
                secrets.token_urlsafe(16), producer, params, shared=False, stop_when_unread=stop_when_unread
            )
        finally:
            self._starting -= 1

    def _check_taking(self) -> None:
        if self.draining or self._closed:
            raise Refused(
                "the server is going away; start it elsewhere", status=503, retry_after=self.departure.back_in()
            )

    async def delete(self, session_id: str) -> None:
        """Stop a session's producer and drop its events. Raises UnknownStream, also for shared streams."""
        session = self._private(session_id)
        self._forget(session)
        await self._log.delete(session.id)

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
        if session.forsaken(session.appended_at):
            self.metrics.appended_unread += len(items)
        return head

    def sent(self, stream: str, batch: Batch, lane: LaneMetrics, *, live: bool, readers: int = 1) -> None:
        """Count a batch that is handed to the server for sending to so many *readers*.

        *live*: they waited for it. What a reader finds when it comes says nothing of how long sending takes.
        """
        lane.delivered += len(batch.events) * readers
        session = self._sessions.get(stream)
        if live and session is not None and batch.events and batch.cursor.offset == session.head:
            lane.observe(self._clock() - session.appended_at, readers)

    def enter(self, stream: str, *, lingering: float = 0.0) -> Callable[[], None]:
        """Count a reader of *stream*, which keeps its session from being taken for abandoned, until what is returned.

        It counts as present for *lingering* seconds after it has left. Raises Refused over a limit on readers, and,
        for shared streams, while draining.
        """
        session = self._sessions.get(stream)  # a tombstone has readers too, but nothing to keep
        self._readers.enter(session)

        def leave() -> None:
            self._readers.leave(session, lingering)
            self._look_idle()

        return leave

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run *work*, which raises nothing but its cancellation, as a task of the service. Raises ServiceOver."""
        if self._tasks is not None:
            with suppress(RuntimeError):  # the group has no tasks left, and is ending
                return self._tasks.create_task(work)
        work.close()
        raise ServiceOver

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
            cursor=await self._log.create(stream, self._retention),
            shared=shared,
            inbox=inbox,
            stop_when_unread=stop_when_unread,
            left_at=self._clock(),
        )
        if not shared and (self.draining or self._closed):  # since create began
            await self._log.remove(stream)
            self._check_taking()
        self._sessions[stream] = session
        logger.info("started", extra=session.fields)
        session.task = tasks.create_task(self._produce(session, items))
        return session

    async def _produce(self, session: Session, items: AsyncGenerator[Item, None]) -> None:
        try:
            outcome = await produce(items, session, self, pacer=self._pacer, journal=self._journal)
        finally:
            stopped = not session.running
            self._end(session)
        if not stopped:  # else its end has been told, and its log may be gone
            await self._finish(session, outcome)

    def _end(self, session: Session) -> None:
        session.running = False
        session.inbox.close()
        self._look_idle()

    async def _finish(self, session: Session, outcome: Outcome) -> None:
        self.metrics.ended[outcome] += 1
        logger.info("ended", extra={**session.fields, "outcome": outcome, "events": session.head})
        await self._log.finish(session.id, outcome)

    async def _stop(self, session: Session) -> None:
        if session.running and session.task is not None:
            session.task.cancel()
            self._end(session)
            await self._finish(session, Outcome.ORPHANED)

    def _forget(self, session: Session) -> None:
        if session.task is not None:
            session.task.cancel()
        del self._sessions[session.id]
        if session.running:
            self.metrics.ended[Outcome.DELETED] += 1
            logger.info("ended", extra={**session.fields, "outcome": Outcome.DELETED, "events": session.head})
        self._end(session)

    async def _remove(self, session: Session) -> None:
        """Let go of a session that nobody will come back to."""
        self._forget(session)
        await self._log.remove(session.id)  # nobody is left who would need a tombstone


def _beat(timed: Timed) -> None:
    timed.beat()
