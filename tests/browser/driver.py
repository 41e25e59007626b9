"""The browser's client as Python sees it: the same interface as the Python clients, over a page.

A call in the page per event would take most of a test's time, so `collect` reads many in one. Errors of the page's
client are raised as those of the Python clients.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self, cast

from playwright.async_api import Page

from streamlanes.clients import Client, EventStream, Options
from streamlanes.producers import errors
from streamlanes.producers.errors import CursorExpired, Refused, RequestRejected, StreamError
from streamlanes.producers.events import JSON, After, Cursor, Event, Outcome
from streamlanes.producers.wire import Wire

CALL: Final = "([name, values]) => driver[name](...values)"

Links = Mapping[str, str] | str


async def call(page: Page, name: str, *values: object) -> Any:  # noqa: ANN401 (what the page answers)
    """Call a function of driver.js."""
    return await page.evaluate(CALL, [name, list(values)])


def error_of(described: Mapping[str, Any]) -> StreamError:
    """Make the Python clients' error of the page's, with the page's cursor."""
    assert described.get("ours"), described
    kind = getattr(errors, described["name"])
    message = described["message"]
    if kind is CursorExpired:
        after, oldest, head = (Cursor.parse(described[name]) for name in ("after", "oldest", "head"))
        return CursorExpired(after, oldest=oldest, head=head, missing=described["missing"])
    if kind is RequestRejected:
        return RequestRejected(message, status=described["status"])
    if kind is Refused:
        return Refused(message, status=described["status"], retry_after=described["retryAfter"])
    made = kind(message)
    assert isinstance(made, StreamError)
    return made


class Read:
    """What a stream has brought, and what became of its connections."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.events = [Event(*event) for event in answer["events"]]
        self.error = None if answer["error"] is None else error_of(answer["error"])
        self.told: Sequence[str] = answer["told"]
        self.gaps = [error_of(gap) for gap in answer["gaps"]]
        self.cursor: str | None = answer["cursor"]
        self.lane: str = answer["lane"]
        self.requests: int = answer["requests"]
        self.reconnects: int = answer["reconnects"]
        self.outcome = None if answer["outcome"] is None else Outcome(answer["outcome"])
        self.statuses: Sequence[Mapping[str, Any]] = answer["statuses"]

    @property
    def states(self) -> list[str]:
        """What `onStatus` was told."""
        return [f"{status['state']} {status['lane']}" for status in self.statuses]

    @property
    def delays(self) -> list[float]:
        """Between attempts, in seconds."""
        return [round(status["delay"], 6) for status in self.statuses if status["state"] == "waiting"]


async def read(page: Page, links: Links, **options: object) -> Read:
    """Read a stream in the page to its end, or until it throws."""
    return Read(await call(page, "read", links, options))


class BrowserStream:
    """`clients.EventStream`, in a page."""

    def __init__(self, page: Page, links: Links, options: Mapping[str, object]) -> None:
        self._page = page
        self._links = links
        self._options = options
        self._reader = 0
        self._state = Read({"events": [], "error": None, "told": [], "gaps": [], "cursor": None, "lane": "",
                            "requests": 0, "reconnects": 0, "outcome": None, "statuses": []})  # fmt: skip

    @property
    def cursor(self) -> Cursor | None:
        return None if self._state.cursor is None else Cursor.parse(self._state.cursor)

    @property
    def outcome(self) -> Outcome | None:
        return self._state.outcome

    @property
    def reconnects(self) -> int:
        return self._state.reconnects

    async def state(self) -> Read:
        """Look at it, without reading."""
        return Read({"events": [], "error": None, **await call(self._page, "state", self._reader)})

    async def send(self, value: JSON) -> None:
        error = await call(self._page, "send", self._reader, value)
        if error is not None:
            raise error_of(error)

    async def collect(self, count: int | None = None) -> list[Event]:
        """Read so many events, or all."""
        self._state = Read(await call(self._page, "take", self._reader, count))
        if self._state.error is not None:
            raise self._state.error
        return self._state.events

    async def __aenter__(self) -> Self:
        answer = await call(self._page, "open", self._links, self._options)
        self._reader = answer["reader"]
        self._state = Read(answer)
        if self._state.error is not None:
            raise self._state.error
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.shield(call(self._page, "close", self._reader))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        found = await self.collect(1)
        if not found:
            raise StopAsyncIteration
        return found[0]


class BrowserClient:
    """`clients.Client`, in a page."""

    def __init__(self, page: Page, lane: str, wire: Wire) -> None:
        self.wire = wire
        self._page = page
        self._lane = lane

    def connect(self, url: str, *, after: After = "start", options: Options) -> EventStream:
        """Return the stream, which has all of `EventStream` that the contract uses."""
        chosen = {"after": str(after), "attempts": options.attempts, **self.lane}
        return cast("EventStream", BrowserStream(self._page, url, chosen))

    @property
    def lane(self) -> Mapping[str, object]:
        """The options that say which lane it is."""
        return {"lane": self._lane, "wires": {self._lane: self.wire}}


def client(page: Page, lane: str, wire: Wire) -> Client:
    """The client of a lane."""
    return cast("Client", BrowserClient(page, lane, wire))
