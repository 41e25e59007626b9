"""`lane: "auto"`: WebSocket, SSE, long poll, by what was observed, and remembered for the tab."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Page

from streamlanes.benchmarks.relay import Cut, HalfOpen, Link, Relay, always
from streamlanes.contract.serving import serving
from streamlanes.contract.sources import Fed, sources
from streamlanes.producers.errors import RequestRejected, StreamLost
from streamlanes.transports import Settings, SharedStream, StreamService, create_app
from streamlanes.transports.door.authorization import BearerToken
from tests.browser.driver import BrowserStream, call, read
from tests.serving import serving_app

pytestmark = pytest.mark.asyncio(loop_scope="session")

SWALLOWED = always(HalfOpen())
ENDED = always(Cut())
QUICK = {"firstDelay": 0.01, "maxDelay": 0.01}
NEWS = SharedStream(name="news", producer="ticker", params={"count": 5, "arrivals": "at-once"})


@dataclass
class Paths:
    """A relay for each lane."""

    relays: Mapping[str, Relay]
    service: StreamService
    fed: Fed

    def __getitem__(self, lane: str) -> Relay:
        return self.relays[lane]

    def links(self, stream: str = "news") -> dict[str, str]:
        """Long poll first: the order is the client's."""
        return {lane: f"{relay.url}/{lane}/{stream}" for lane, relay in self.relays.items()}


@pytest_asyncio.fixture(loop_scope="session")
async def paths(origin: str) -> AsyncIterator[Paths]:
    fed = Fed()
    service = StreamService(producers=sources(fed), shared=[NEWS], settings=Settings(allowed_origins=(origin,)))
    async with AsyncExitStack() as stack:
        address = urlsplit(await stack.enter_async_context(serving(service)))
        relays = [Relay(address.hostname or "", address.port or 0) for _ in range(4)]
        for relay in relays:
            await stack.enter_async_context(relay)
        yield Paths(dict(zip(("poll", "ndjson", "sse", "ws"), relays, strict=True)), service, fed)


async def test_websocket_where_it_gets_through(page: Page, paths: Paths) -> None:
    found = await read(page, paths.links())
    assert found.states == ["connecting ws", "open ws", "ended ws"]
    assert len(found.events) == 5


@pytest.mark.parametrize("swallowing", ["a connection that says nothing", "a proxy that buffers"])
async def test_what_says_nothing_is_left_and_remembered(page: Page, paths: Paths, swallowing: str) -> None:
    paths["ws"].faults = SWALLOWED
    if swallowing == "a proxy that buffers":
        paths["sse"].down = Link(buffer_bytes=1 << 20)
    else:
        paths["sse"].faults = SWALLOWED
    paths.fed.queue.put_nowait("a")
    session = await paths.service.start("fed", {})
    async with BrowserStream(page, paths.links(session.id), {**QUICK, "openTimeout": 0.4}) as stream:
        assert [event.data for event in await stream.collect(1)] == ['"a"']
        found = await stream.state()
        paths.fed.queue.put_nowait(None)
        assert await stream.collect() == []
    assert found.states == [
        "connecting ws", "switched sse", "connecting sse", "switched poll", "connecting poll", "open poll",
    ]  # fmt: skip
    assert found.statuses[1]["reason"] == "ws doesn't get through: nothing came for 0.4 s"
    assert (found.lane, found.requests) == ("poll", 3)
    again = await read(page, paths.links())
    assert (again.states[0], again.error, len(again.events)) == ("connecting poll", None, 5)


async def test_two_and_a_half_seconds_are_given(page: Page, paths: Paths) -> None:
    paths["ws"].faults = SWALLOWED
    begin = asyncio.get_running_loop().time()
    found = await read(page, paths.links())
    assert 2.5 <= asyncio.get_running_loop().time() - begin < 4
    assert found.states == ["connecting ws", "switched sse", "connecting sse", "open sse", "ended sse"]
    assert len(found.events) == 5


async def test_what_ends_at_once_three_times_is_left(page: Page, paths: Paths) -> None:
    paths["ws"].faults = ENDED
    found = await read(page, paths.links(), **QUICK)
    assert found.states == [
        "connecting ws", "waiting ws", "connecting ws", "waiting ws", "connecting ws", "switched sse",
        "connecting sse", "open sse", "ended sse",
    ]  # fmt: skip
    assert "3 times in a row" in found.statuses[5]["reason"]
    assert await page.evaluate("Object.values({ ...sessionStorage })") == ["sse"]


async def test_a_server_that_is_away_is_no_lanes_fault(page: Page, paths: Paths) -> None:
    for relay in paths.relays.values():
        relay.refusing = True
    options = {**QUICK, "firstDelay": 0.05, "maxDelay": 0.05, "attempts": 100}
    reading = asyncio.create_task(read(page, paths.links(), **options))
    async with asyncio.timeout(5):
        while not paths["sse"].counts.refused:
            await asyncio.sleep(0.001)
        # The next WebSocket finds it back.
        for relay in paths.relays.values():
            relay.refusing = False
    found = await reading
    assert (found.error, found.lane, len(found.events)) == (None, "ws", 5)
    assert found.states[-6:] == [
        "connecting sse", "switched ws", "waiting ws", "connecting ws", "open ws", "ended ws",
    ]  # fmt: skip
    assert await page.evaluate("Object.values({ ...sessionStorage })") == ["ws"]


async def test_nothing_gets_through(page: Page, paths: Paths) -> None:
    for relay in paths.relays.values():
        relay.faults = ENDED
    found = await read(page, paths.links(), **QUICK, attempts=9)
    assert isinstance(found.error, StreamLost)
    assert found.requests <= 9


async def test_a_token_goes_by_every_lane_and_other_headers_by_none_that_cannot(page: Page, origin: str) -> None:
    service = StreamService(shared=[NEWS], settings=Settings(allowed_origins=(origin,)))
    token = {"Authorization": "Bearer s3cret"}
    async with serving_app(create_app(service, authorize=BearerToken(["s3cret"]))) as url:
        started = await call(page, "start", url, "ticker", {"count": 2}, {"headers": token})
        for lane in ("auto", "ws", "sse", "poll", "ndjson"):
            found = await read(page, started["links"], lane=lane, headers=token)
            assert (found.error, len(found.events)) == (None, 2)
            refused = await read(page, started["links"], lane=lane)
            assert isinstance(refused.error, RequestRejected)
            assert "token" in str(refused.error)
        other = await read(page, started["links"], headers={**token, "Content-Type": "text/plain"})
        assert (other.error, other.lane) == (None, "sse")
        with pytest.raises(Exception, match="can carry no header but"):
            await read(page, started["links"], lane="ws", headers={"Content-Type": "text/plain"})
