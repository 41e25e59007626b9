"""Sessions and shared streams: who produces into the log, and who may still want to read it."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from producers.catalogue import PRODUCERS
from producers.errors import UnknownStream
from producers.events import After, Cursor, Item, Outcome
from producers.journal import Journal
from producers.log import Batch, EventLog, Retention, StreamInfo
from producers.memory import MemoryLog
from producers.pacing import LoopPacer, Pacer
from producers.producer import Producer
from producers.pump import pump

logger = logging.getLogger("streamlanes")

READ_EVENTS: Final = 256
READ_BYTES: Final = 64 * 1024
"""What a streaming lane reads at once: enough to make the work per event small, little enough to send in one go."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedStream:
    """A public stream that a server declares when it starts."""

    name: str
    producer: str
    params: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name[:80]!r} can't name a stream: use a-z, 0-9, - and _, at most 64 of them")


@dataclass(eq=False)
class Session:
    """A running or ended stream, private or shared."""

    id: str
    """Whoever knows the id of a private one may read and delete it; logs show `short_id`."""
    producer: str
    cursor: Cursor
    shared: bool
    left_at: float
    """When its last reader left, or it was created (the service's clock)."""
    readers: int = 0
    task: asyncio.Task[None] | None = None

    @property
    def short_id(self) -> str:
        """What logs may show."""
        return self.id if self.shared else f"{self.id[:4]}…"


class StreamService:
    """Starts producers, keeps their streams, and removes those that nobody reads any more.

    An async context manager: leaving it ends running streams as `orphaned`. One service belongs to one event loop.
    """

    def __init__(
        self,
        *,
        producers: Mapping[str, Producer[Any]] = PRODUCERS,
        shared: Sequence[SharedStream] = (),
        log: EventLog | None = None,
        retention: Retention | None = None,
        pacer: Pacer | None = None,
        journal: Path | None = None,
        session_ttl: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare a service.

        *session_ttl*: seconds without a reader after which a session is stopped and removed. *journal*: a directory
        to leave each stream's journal in (see `producers.journal`), for measurements.
        """
        self.producers = producers
        self._shared = shared
        self._log = MemoryLog() if log is None else log
        self._retention = retention or Retention()
        self._pacer = pacer or LoopPacer()
        self._journal = journal
        self._session_ttl = session_ttl
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._running = AsyncExitStack()
        self._tasks: asyncio.TaskGroup | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._readers = 0
        self.unread = asyncio.Event()
        """Set while nobody reads anything."""
        self.unread.set()

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
            if session.task is not None:
                session.task.cancel()
            await self._log.finish(session.id, Outcome.ORPHANED)

    def check_running(self) -> asyncio.TaskGroup:
        """Raise RuntimeError unless the service has been entered."""
        if self._tasks is None:
            raise RuntimeError("the service isn't running; enter it (async with service) in the app's lifespan")
        return self._tasks

    @property
    def sessions(self) -> Mapping[str, Session]:
        """All streams by id or name."""
        return self._sessions

    async def start(self, producer: str, params: Mapping[str, object]) -> Session:
        """Start a private session.

        Raises KeyError for an unknown producer, pydantic.ValidationError for parameters that it won't have.
        """
        return await self._start(secrets.token_urlsafe(16), producer, params, shared=False)

    async def delete(self, session_id: str) -> None:
        """Stop a session's producer and drop its events. Raises UnknownStream, also for shared streams."""
        session = self._sessions.get(session_id)
        if session is None:
            raise UnknownStream("there is no such session here; it may have been deleted already")
        if session.shared:
            raise UnknownStream("this is a shared stream; it stays for as long as the server runs")
        await self._remove(session)

    async def info(self, stream: str) -> StreamInfo:
        """Return a stream's extent and state. Raises UnknownStream."""
        return await self._log.info(stream)

    async def read(self, stream: str, after: After, *, limit: int, max_bytes: int, wait: float) -> Batch:
        """Read the log, as `EventLog.read`."""
        return await self._log.read(stream, after, limit=limit, max_bytes=max_bytes, wait=wait)

    @contextmanager
    def reading(self, stream: str) -> Iterator[None]:
        """Count a reader of *stream*, which keeps its session from being taken for abandoned."""
        session = self._sessions.get(stream)
        self._readers += 1
        self.unread.clear()
        if session is not None:  # a tombstone has readers too, but nothing to keep
            session.readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                self.unread.set()
            if session is not None:
                session.readers -= 1
                session.left_at = self._clock()

    async def _start(self, stream: str, producer: str, params: Mapping[str, object], *, shared: bool) -> Session:
        tasks = self.check_running()
        items = self.producers[producer].start(params, time.monotonic_ns())
        cursor = await self._log.create(stream, self._retention)
        session = Session(stream, producer, cursor, shared, self._clock())
        self._sessions[stream] = session
        session.task = tasks.create_task(self._produce(session, items))
        return session

    async def _produce(self, session: Session, items: AsyncGenerator[Item, None]) -> None:
        journal = None if self._journal is None else Journal(self._journal, session.cursor.epoch)
        outcome = Outcome.COMPLETED
        try:
            await pump(items, self._log, session.id, pacer=self._pacer, journal=journal)
        except Exception:  # the border to other people's code: whatever it raises, its readers must learn of the end
            logger.exception("producer %s of stream %s failed", session.producer, session.short_id)
            outcome = Outcome.FAILED
        finally:
            if journal is not None:
                journal.close()
        await self._log.finish(session.id, outcome)

    async def _remove(self, session: Session) -> None:
        if session.task is not None:
            session.task.cancel()
        del self._sessions[session.id]
        await self._log.delete(session.id)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(max(self._session_ttl / 10, 0.05), 5.0))
            await self._remove_abandoned()

    async def _remove_abandoned(self) -> None:
        expired = self._clock() - self._session_ttl
        for session in list(self._sessions.values()):
            if session.shared or session.readers or session.left_at > expired:
                await self._log.info(session.id)  # lets retention by age go on in streams that nobody reads
            else:
                logger.info("session %s was abandoned and is removed", session.short_id)
                await self._remove(session)
