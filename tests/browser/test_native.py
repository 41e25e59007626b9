"""A browser's own EventSource, from another origin: it resumes, tells of gaps, and stops at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page

from streamlanes.benchmarks.relay import Cut, Relay
from streamlanes.contract.serving import serving
from streamlanes.producers.events import Cursor
from streamlanes.transports import Settings, SharedStream, StreamService
from tests.browser.peers import cors, listening

pytestmark = pytest.mark.asyncio(loop_scope="session")

READ = """
(url) => new Promise((resolve) => {
  const source = new EventSource(url);
  const found = { events: [], told: [], errors: 0 };
  source.onmessage = (event) => found.events.push([event.lastEventId, event.data]);
  for (const name of ["stream-gap", "stream-end"]) {
    source.addEventListener(name, (event) => found.told.push([name, event.lastEventId, JSON.parse(event.data)]));
  }
  source.onerror = () => {
    found.errors++;
    if (source.readyState === EventSource.CLOSED) resolve(found);
  };
})
"""


@asynccontextmanager
async def impatient(origin: str, upstream: str) -> AsyncIterator[str]:
    """A way to *upstream* whose first answer is only to come back in 20 ms, and not in the 3 s that are the default."""
    address = urlsplit(upstream)
    first = True

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal first
        if first:
            first = False
            await reader.readuntil(b"\r\n\r\n")
            lines = [f"{name}: {value}" for name, value in cors(origin).items()]
            head = "\r\n".join(["HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Connection: close", *lines])
            writer.write(f"{head}\r\n\r\nretry: 20\n\n".encode())
            await writer.drain()
            return
        upper, lower = await asyncio.open_connection(address.hostname, address.port)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(passed_on(reader, lower))
            tasks.create_task(passed_on(upper, writer))

    async with listening(handle) as (host, port):
        yield f"http://{host}:{port}"


async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
    finally:
        writer.close()


async def test_it_resumes_and_stops(page: Page, origin: str) -> None:
    news = SharedStream(name="news", producer="ticker", params={"count": 50, "arrivals": "at-once"})
    service = StreamService(shared=[news], settings=Settings(retain_events=40, allowed_origins=(origin,)))
    async with serving(service) as url:
        address = urlsplit(url)
        async with (
            Relay(address.hostname or "", address.port or 0) as relay,
            impatient(origin, relay.url) as front,
        ):
            relay.faults = lambda index, _: [Cut(after_bytes=1500)] if index < 3 else ()
            async with asyncio.timeout(20):
                found = await page.evaluate(READ, f"{front}/sse/news?after=other:7")
            connections = relay.counts.accepted
            log = await service.read("news", "start", limit=100, max_bytes=10**9, wait=0)
        epoch = log.cursor.epoch
    assert found["events"] == [[str(Cursor(epoch, event.offset)), event.data] for event in log.events]
    gap, end = found["told"]
    assert gap == ["stream-gap", f"{epoch}:10", {"after": "other:7", "next": f"{epoch}:10", "missing": None}]
    assert end == ["stream-end", f"{epoch}:50.end", {"outcome": "completed"}]
    answers = 3 + 1 + 1  # cut, whole, and the 204 after the end
    assert found["errors"] == 1 + answers
    assert connections in {answers - 1, answers}  # the last two may share one
