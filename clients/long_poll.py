"""Long poll: one request after the other over one kept-alive connection, with httpx."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Iterator
from typing import Final

from streamlanes.clients.address import Address
from streamlanes.clients.http import answer, http_client
from streamlanes.clients.jsonwire import Polled, decode_poll
from streamlanes.clients.messages import Ended, Message, Opened, Ping, utf8
from streamlanes.clients.options import DEFAULTS, Options
from streamlanes.clients.sending import Posts
from streamlanes.clients.stream import Client, EventStream
from streamlanes.producers.errors import ProtocolViolation
from streamlanes.producers.events import After, Cursor
from streamlanes.producers.wire import LONG_POLL, Wire

ANSWER: Final = "application/json"
MAX_ANSWER: Final = 8 * 1024 * 1024
"""Bytes of an answer, besides its last event."""


class LongPollClient:
    """Polls. Each poll waits up to `wait` seconds for events, and brings at most `limit`."""

    wire: Wire = LONG_POLL

    def connect(
        self, url: str, *, after: After = "start", options: Options = DEFAULTS, wait: float = 30.0, limit: int = 256
    ) -> EventStream:
        """Return the stream at *url*, to be entered with `async with`.

        A *wait* without events is what a ping is on other wires: it shows that the server lives. Raises ValueError for
        what isn't a URL, and outside 0 < *wait* <= 60 s and 1 <= *limit* <= 1000.
        """
        if not (0 < wait <= 60 and 1 <= limit <= 1000):
            raise ValueError("a poll waits up to 60 s, for up to 1000 events")
        address = Address.parse(url)
        # Caches and browsers let identical requests wait for one another, whatever the answers' headers say.
        reader = secrets.token_urlsafe(6)

        async def receive(after: After) -> AsyncGenerator[Message, None]:
            # The first poll doesn't wait: its answer stands for `open`, and resolves `start` and `now` at once.
            waiting: float = 0
            async with http_client(address.http(), options) as client:
                while True:
                    url = address.http(after=str(after), wait=f"{waiting:g}", limit=str(limit), reader=reader)
                    most = MAX_ANSWER + options.max_event_bytes
                    polled = decode(await answer(client, "GET", url, ANSWER, most=most, after=after))
                    if not waiting:
                        yield Opened(before(polled), wait)
                    elif not polled.events:
                        if polled.cursor != after:
                            raise ProtocolViolation(f"an answer without events goes on from {after} to {polled.cursor}")
                        yield Ping()
                    for message in messages(polled):
                        yield message
                    after, waiting = polled.cursor, wait

        return EventStream(receive, Posts(address, options), after=after, options=options)


def before(polled: Polled) -> Cursor:
    """Return the place that an answer continues, which is what `start` or `now` meant."""
    if not polled.events:
        return polled.cursor
    first = polled.events[0]
    return Cursor(first.epoch, first.event.offset - 1)


def messages(polled: Polled) -> Iterator[Message]:
    """Yield what an answer says.

    Raises ProtocolViolation if its cursor isn't its last event's.
    """
    yield from polled.events
    if polled.events and polled.cursor != Cursor(polled.events[-1].epoch, polled.events[-1].event.offset):
        raise ProtocolViolation(f"the answer's cursor is {polled.cursor}, not that of its last event")
    if polled.outcome is not None:
        yield Ended(polled.outcome)


def decode(body: bytes) -> Polled:
    """Read the body of an answer. Raises ProtocolViolation."""
    return decode_poll(utf8(body))


CLIENT: Final[Client] = LongPollClient()
