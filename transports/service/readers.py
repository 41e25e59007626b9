"""How many readers there are, and who may come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streamlanes.producers.errors import Refused
from streamlanes.transports.service.drain import Departure
from streamlanes.transports.service.sessions import Session
from streamlanes.transports.service.settings import Settings

RETRY_SECONDS: Final = 5.0
"""What a reader or starter over a limit is asked to wait."""


class Readers:
    """Counts them, each in its session too."""

    def __init__(self, settings: Settings, departure: Departure, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._departure = departure
        self._clock = clock
        self.count = 0

    def enter(self, session: Session | None) -> None:
        """Let a reader in, of *session*'s stream or of one that has ended.

        Raises Refused over a limit on readers, and, for shared streams, while the server is going away.
        """
        if self.count >= self._settings.max_connections:
            raise Refused("the server has too many readers; try again later", retry_after=RETRY_SECONDS)
        if session is not None:
            if session.readers >= self._settings.max_readers:
                raise Refused("the stream has too many readers; try again later", retry_after=RETRY_SECONDS)
            if self._departure.under_way and session.shared:
                wait = self._departure.back_in()
                raise Refused("the server is going away; come back later", status=503, retry_after=wait)
            session.enter()
        self.count += 1

    def leave(self, session: Session | None, lingering: float) -> None:
        """Take a reader's leaving, who counts as present in its session for *lingering* seconds more."""
        self.count -= 1
        if session is not None:
            session.leave(self._clock() + lingering)
