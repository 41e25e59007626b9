"""The way up: a client's messages, each sent at its time, while the block that reads their echoes goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final, TypeAlias

import aiohttp
from yarl import URL

from streamlanes.benchmarks.engine.connections.http import check
from streamlanes.benchmarks.engine.timers import Alarm
from streamlanes.benchmarks.spec.records import Sends
from streamlanes.benchmarks.spec.sessions import MessagePlan
from streamlanes.producers import ticker
from streamlanes.producers.events import encode_json
from streamlanes.producers.producer import Context

FRAME: Final = "frame"
"""A way up: a text frame on the connection that the echoes come down."""
POST: Final = "POST"
"""A way up: a request for each message, on a connection that is kept alive beside that of the reader."""

Send: TypeAlias = Callable[[str], Awaitable[None]]
Prepare: TypeAlias = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """One client's messages, made before they are due.

    They stay in order: a message that becomes due while the one before it is being sent waits for that, as it would in
    any client that needs the order kept, and the time counts, since it is measured from when the message was due.
    """

    url: URL
    """Where messages are posted to, on wires that only go down."""
    alarm: Alarm
    ready_ns: int
    messages: Sequence[tuple[int, str]]
    """When each is due, and its text."""
    sends: Sends

    @classmethod
    async def of(cls, messages: MessagePlan, origin_ns: int, *, url: URL, alarm: Alarm, sends: Sends) -> Sender:
        """Return the sender of *messages*, whose schedule counts from *origin_ns*; *sends* is its record."""
        context = Context(start_ns=origin_ns + messages.at_ns)
        async with aclosing(ticker.PRODUCER.start(messages.params, context)) as items:
            made = [(item.due_ns or 0, encode_json(item.value)) async for item in items]
        return cls(url=url, alarm=alarm, ready_ns=origin_ns + messages.ready_ns, messages=made, sends=sends)

    @property
    def has_sent_all(self) -> bool:
        """Whether nothing is left to send; the answer to the last one may be outstanding."""
        return len(self.sends.sent) == len(self.messages)

    async def run(self, send: Send, prepare: Prepare) -> None:
        """Send everything by *send*, which returns when the next message may follow; raises what that raises."""
        await self.alarm.until(self.ready_ns)
        await prepare()
        free_ns = 0
        for due_ns, text in self.messages:
            await self.alarm.until(due_ns)
            self.sends.due.append(due_ns)
            self.sends.ready.append(max(due_ns, free_ns))
            self.sends.sent.append(time.monotonic_ns())
            await send(text)
            free_ns = time.monotonic_ns()


async def _nothing() -> None:
    pass


@asynccontextmanager
async def sending(sender: Sender | None, send: Send, prepare: Prepare = _nothing) -> AsyncIterator[None]:
    """Send by *send* what *sender* has, if there is one, while the block runs; *prepare* before it is due.

    A send that fails ends the block and is raised in its place. What isn't sent when the block ends won't be.
    """
    if sender is None:
        yield
        return
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(sender.run(send, prepare))
            yield
            if not sender.has_sent_all:
                running.cancel()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


def posting(http: aiohttp.ClientSession, sender: Sender | None) -> AbstractAsyncContextManager[None]:
    """Return `sending` by `POST /send/{session_id}`, on a connection that is made before it is needed."""
    if sender is None:
        return nullcontext()
    return sending(sender, partial(_post, http, sender.url), partial(_connect, http, sender.url.origin() / "healthz"))


async def _post(http: aiohttp.ClientSession, url: URL, text: str) -> None:
    async with http.post(url, data=text.encode(), headers={"Content-Type": "application/json"}) as response:
        await check(response, HTTPStatus.ACCEPTED)


async def _connect(http: aiohttp.ClientSession, url: URL) -> None:
    """Make a connection, the one that there is being the reader's, and leave it to be used again."""
    async with http.get(url) as response:
        await check(response, HTTPStatus.OK)
        await response.read()
