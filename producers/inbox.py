"""What clients send to a producer."""

from __future__ import annotations

import asyncio
import json
from typing import NoReturn

from producers.errors import InboxFull, InvalidItem, StreamEnded
from producers.events import JSON


def parse_json(text: str | bytes, max_bytes: int) -> JSON:
    """Read a message. Raises InvalidItem for what isn't JSON (RFC 8259, so neither NaN nor Infinity), or too long."""
    if len(text) > max_bytes or len(text.encode() if isinstance(text, str) else text) > max_bytes:
        raise InvalidItem(f"a message may have {max_bytes} bytes; send less at once")
    try:
        value: JSON = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidItem(f"a message is JSON: {error}") from error
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} isn't JSON")


class Inbox:
    """Messages in the order in which they came, at most *limit* that the producer hasn't taken yet."""

    def __init__(self, limit: int = 256) -> None:
        self._queue: asyncio.Queue[JSON] = asyncio.Queue(limit)
        self._closed = False

    def put(self, message: JSON) -> None:
        """Add a message. Raises InboxFull, and StreamEnded once the stream has ended."""
        if self._closed:
            raise StreamEnded("the stream has ended; nobody reads what is sent to it")
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            raise InboxFull("the producer hasn't taken what was sent before; send it again later") from None

    async def get(self) -> JSON:
        """Return the next message, when there is one."""
        return await self._queue.get()

    def close(self) -> None:
        """Take no more."""
        self._closed = True
