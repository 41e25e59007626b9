"""NDJSON: a JSON object a line, over chunked HTTP, with httpx."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from streamlanes.clients.address import Address
from streamlanes.clients.http import get_stream
from streamlanes.clients.jsonwire import decode_message
from streamlanes.clients.messages import Message, utf8
from streamlanes.clients.options import DEFAULTS, Options
from streamlanes.clients.sending import Posts
from streamlanes.clients.stream import Client, EventStream
from streamlanes.producers.errors import ProtocolViolation
from streamlanes.producers.events import After
from streamlanes.producers.wire import NDJSON, Wire

LINES: Final = "application/x-ndjson"


class NDJSONClient:
    """Reads lines of JSON."""

    wire: Wire = NDJSON

    def connect(self, url: str, *, after: After = "start", options: Options = DEFAULTS) -> EventStream:
        """Return the stream at *url*, to be entered with `async with`. Raises ValueError for what isn't a URL."""
        address = Address.parse(url)

        async def receive(after: After) -> AsyncGenerator[Message, None]:
            lines = Lines(options.max_event_bytes)
            url = address.http(after=str(after))
            async with get_stream(url, accept=LINES, after=after, options=options) as response:
                async for chunk in response.aiter_bytes():
                    for line in lines.feed(chunk):
                        yield decode(line)

        return EventStream(receive, Posts(address, options), after=after, options=options)


class Lines:
    """Cuts bytes into lines, at LF and nowhere else: JSON text may hold U+2028, U+0085 and other line separators."""

    def __init__(self, longest: int) -> None:
        self._begun: list[bytes] = []
        self._longest = longest
        self._length = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that *chunk* completes, without their LF. What is left at the end was cut, and is none.

        Raises ProtocolViolation for a line that is longer than it may be.
        """
        *complete, rest = chunk.split(b"\n")
        lengths = [len(rest)]
        if self._length + len(chunk) > self._longest:  # else no line can be too long
            lengths = [len(part) for part in (*complete, rest)]
            lengths[0] += self._length
        self._length = len(rest) if complete else self._length + len(rest)
        if max(lengths) > self._longest:
            raise ProtocolViolation(f"a line didn't end within {self._longest:,} bytes")
        if complete:
            complete[0] = b"".join((*self._begun, complete[0]))
            self._begun.clear()
        if rest:
            self._begun.append(rest)
        return complete


def decode(line: bytes) -> Message:
    """Return the message in a line. Raises ProtocolViolation."""
    return decode_message(utf8(line))


CLIENT: Final[Client] = NDJSONClient()
