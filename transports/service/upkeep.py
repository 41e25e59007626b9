"""What a service looks after now and then: readers that take nothing, and sessions that nobody reads."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from streamlanes.producers.log.event_log import EventLog
from streamlanes.transports.service.connection import Connection
from streamlanes.transports.service.sessions import Session
from streamlanes.transports.service.settings import Settings

logger = logging.getLogger("streamlanes")

AT_ONCE: Final = 256
"""Sessions that are looked after in one go."""

Act = Callable[[Session], Awaitable[None]]


class Upkeep:
    """One task, however many connections and sessions there are."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float],
        log: EventLog,
        connections: Collection[Connection],
        sessions: Mapping[str, Session],
        *,
        remove: Act,
        stop: Act,
    ) -> None:
        """*remove* is called with a session that nobody will come back to, *stop* with one that works for nobody."""
        self._settings = settings
        self._clock = clock
        self._log = log
        self._connections = connections
        self._sessions = sessions
        self._remove = remove
        self._stop = stop

    async def run(self) -> None:
        """Look after them until cancelled."""
        while True:
            await asyncio.sleep(min(self._settings.session_ttl / 10, 0.5))
            self._drop_blocked()
            await self.look_after_sessions()

    def _drop_blocked(self) -> None:
        since = time.monotonic() - self._settings.send_timeout
        for connection in list(self._connections):
            if connection.blocked_since is not None and connection.blocked_since <= since:
                connection.drop()

    async def look_after_sessions(self) -> None:
        """Stop and remove those that nobody reads, and have all others keep no more than they should."""
        for n, session in enumerate(list(self._sessions.values()), start=1):
            if n % AT_ONCE == 0:
                await asyncio.sleep(0)  # so that thousands of them don't keep the loop from the readers
            if self._sessions.get(session.id) is not session:
                continue  # deleted meanwhile
            now = self._clock()
            if session.abandoned(now, self._settings.session_ttl):
                logger.info("abandoned, and removed", extra=session.fields)
                await self._remove(session)
            elif session.unread_too_long(now):
                logger.info("without a reader, and stopped", extra=session.fields)
                await self._stop(session)
            else:
                await self._log.info(session.id)  # lets retention by age go on in streams that nobody reads
