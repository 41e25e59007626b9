"""What clients send to a producer."""

from __future__ import annotations

import asyncio
import json

from streamlanes.producers.errors import InboxFull, InvalidItem, MessageTooLarge, StreamEnded
from streamlanes.producers.events import JSON, encode_json


def parse_json(text: str | bytes, max_bytes: int) -> JSON:
    """Read a message: JSON in UTF-8 (RFC 8259), which an event can carry too, so that a producer may send it on.

    Raises MessageTooLarge, and InvalidItem for NaN and infinities, 1e999 among them, for what is nested too deeply,
    and for what isn't JSON at all.
    """
    if len(text) > max_bytes or (isinstance(text, str) and len(text.encode(errors="replace")) > max_bytes):
        raise MessageTooLarge(f"a message may have {max_bytes} bytes; send less at once")
    try:
        # Decoded here: json.loads would take UTF-16 and UTF-32 as well.
        value: JSON = json.loads(text if isinstance(text, str) else text.decode())
        encode_json(value)
    except InvalidItem as error:
        raise InvalidItem(
            "a message is JSON: it has neither NaN nor infinities, and isn't nested too deeply"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidItem(f"a message is JSON: {error}") from error
    return value


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
        """Take no more, and drop what nobody will take: an ended stream may be kept for long, a full inbox is large."""
        self._closed = True
        while not self._queue.empty():
            self._queue.get_nowait()
