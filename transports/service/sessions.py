"""A stream's producer and its readers, as the service sees them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from streamlanes.producers.events import Cursor
from streamlanes.producers.inbox import Inbox

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


@dataclass(eq=False, kw_only=True)
class Session:
    """A running or ended stream, private or shared."""

    id: str
    """Whoever knows the id of a private one may read, send and delete; logs show `short_id`."""
    producer: str
    cursor: Cursor
    """Place before its first event."""
    shared: bool
    inbox: Inbox
    stop_when_unread: float | None
    left_at: float
    """When its last reader left or leaves, or it was created (the service's clock)."""
    readers: int = 0
    was_read: bool = False
    running: bool = True
    head: int = 0
    """The last offset appended, and when that was."""
    appended_at: float = 0.0
    task: asyncio.Task[None] | None = None

    @property
    def short_id(self) -> str:
        """What logs may show."""
        return self.id if self.shared else f"{self.id[:4]}…"

    def attended(self, now: float) -> bool:
        """Tell whether it has a reader: one that is connected, or a poll's that is still expected."""
        return self.readers > 0 or (self.was_read and now < self.left_at)

    def forsaken(self, now: float) -> bool:
        """Tell whether it had readers and now has none."""
        return self.was_read and not self.readers and now >= self.left_at

    @property
    def fields(self) -> dict[str, str]:
        """What a log's line says of it."""
        return {"stream": self.short_id, "producer": self.producer}

    def enter(self) -> None:
        """A reader comes."""
        self.readers += 1
        self.was_read = True

    def leave(self, until: float) -> None:
        """A reader goes, and counts as present *until* then."""
        self.readers -= 1
        self.left_at = max(self.left_at, until)

    def abandoned(self, now: float, ttl: float) -> bool:
        """Tell whether nobody has read it for *ttl* seconds."""
        return not self.shared and not self.readers and now - self.left_at >= ttl

    def unread_too_long(self, now: float) -> bool:
        """Tell whether its producer works for nobody, and is to be stopped for that."""
        patience = self.stop_when_unread
        return patience is not None and self.running and self.forsaken(now) and now - self.left_at >= patience
