"""The browser's client at the real server, through the relay: cuts, gaps, silence, limits, the end, the way up."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Page

from streamlanes.benchmarks.relay import Fault, Relay, Schedule, cut_between, no_faults
from streamlanes.contract.serving import serving
from streamlanes.contract.sources import AWKWARD, NoParams, sources
from streamlanes.producers.errors import ConnectionLost, InboxFull, MessageRefused, StreamEnded, StreamOrphaned
from streamlanes.producers.events import Item, Outcome
from streamlanes.producers.log.memory import MemoryLog
from streamlanes.producers.producer import Producer
from streamlanes.producers.wire import LONG_POLL, WEBSOCKET
from streamlanes.transports import Settings, StreamService, Transport, discover
from tests.browser.driver import BrowserStream, call, read
from tests.guarantees.test_send import deaf
from tests.guarantees.world import told
from tests.serving import reading

pytestmark = pytest.mark.asyncio(loop_scope="session")

ITEMS = (*(Item(n) for n in range(20)), *AWKWARD, *(Item("x" * n, "tick") for n in range(0, 3000, 100)))
KEPT = 100
QUICK = {"firstDelay": 0.001, "maxDelay": 0.002, "attempts": 1000, "openTimeout": 5}


@dataclass
class World:
    """A server and a relay in front of it."""

    service: StreamService
    url: str
    relay: Relay
    rng: random.Random = field(default_factory=lambda: random.Random(7))

    async def started(self, items: Sequence[Item] = (), *, end: bool = False) -> str:
        session = await self.service.start("told", {})
        await self.service.append(session.id, items)
        if end:
            await self.end(session.id)
        return session.id

    async def end(self, session: str) -> None:
        self.service.send(session, "complete")
        async with asyncio.timeout(5):
            while self.service.sessions[session].running:
                await asyncio.sleep(0)

    async def expected(self, session: str) -> list[object]:
        log = await self.service.read(session, "start", limit=10_000, max_bytes=10**9, wait=0)
        return list(log.events)

    def link(self, transport: Transport, session: str) -> str:
        return f"{self.relay.url}/{transport.name}/{session}"


@asynccontextmanager
async def world(origin: str, **settings: float) -> AsyncIterator[World]:
    producers = {**sources(), "told": Producer("told", NoParams, told), "deaf": Producer("deaf", NoParams, deaf)}
    kept = Settings.model_validate({"retain_events": KEPT, "allowed_origins": (origin,), "drain": 0, **settings})
    service = StreamService(producers=producers, log=MemoryLog(), settings=kept)
    async with serving(service) as url:
        address = urlsplit(url)
        async with Relay(address.hostname or "", address.port or 0) as relay:
            yield World(service, url, relay)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def one_for_all(origin: str) -> AsyncIterator[World]:
    async with world(origin, heartbeat=0.2, max_message_bytes=100, max_inbox=3, max_body_bytes=5000) as made:
        yield made


@pytest.fixture
def here(one_for_all: World) -> World:
    one_for_all.relay.faults = no_faults
    one_for_all.relay.refusing = False
    return one_for_all


@pytest.fixture(params=sorted(discover()))
def transport(request: pytest.FixtureRequest) -> Transport:
    return discover()[request.param]


def chosen(transport: Transport, **options: object) -> dict[str, object]:
    return {"lane": transport.name, **QUICK, **options}


def suffering(relay: Relay, schedule: Schedule, count: int) -> Schedule:
    """The next *count* connections suffer *schedule*, and those after them nothing."""
    last = relay.counts.accepted + count

    def only_these(index: int, rng: random.Random) -> Sequence[Fault]:
        return schedule(index, rng) if index < last else ()

    return only_these


async def test_cuts_at_any_byte_lose_nothing_and_repeat_nothing(page: Page, here: World, transport: Transport) -> None:
    session = await here.started(ITEMS, end=True)
    expected = await here.expected(session)
    for below in (400, 1500, 1500, 20_000, 160_000):
        here.relay.faults = suffering(here.relay, cut_between(0, below), 30)
        found = await read(page, here.link(transport, session), **chosen(transport))
        assert found.error is None
        assert found.events == expected
        assert found.outcome is Outcome.COMPLETED
        assert found.cursor == f"{here.service.sessions[session].cursor.epoch}:{len(expected)}"


@pytest.mark.parametrize("gone", ["for too long", "told in mid-stream"])
async def test_a_gap_is_told_and_the_rest_comes(page: Page, here: World, transport: Transport, gone: str) -> None:
    session = await here.started([Item(n) for n in range(5)])
    options = chosen(transport, told=True)
    async with BrowserStream(page, here.link(transport, session), options) as stream:
        assert len(await stream.collect(5)) == 5
        if gone == "for too long":
            here.relay.refusing = True
            here.relay.reset()
        reading = asyncio.create_task(stream.collect())
        if gone == "for too long":
            refused = here.relay.counts.refused
            async with asyncio.timeout(5):
                while here.relay.counts.refused == refused:
                    await asyncio.sleep(0.001)
        else:
            async with asyncio.timeout(5):
                while not here.service.sessions[session].readers:
                    await asyncio.sleep(0.001)
        await here.service.append(session, [Item(n) for n in range(KEPT + 20)])
        here.relay.refusing = False
        await here.end(session)
        events = await reading
        epoch = here.service.sessions[session].cursor.epoch
        found = await stream.state()
    assert [event.offset for event in events] == list(range(26, 126))
    assert found.told == [f"{epoch}:5 {epoch}:25 20"]


async def test_a_silent_connection_is_given_up(page: Page, here: World, transport: Transport) -> None:
    session = await here.started([Item(1)])
    link = f"{here.link(transport, session)}{'?wait=0.2' if transport.wire == LONG_POLL else ''}"
    async with BrowserStream(page, link, chosen(transport, grace=0.1)) as stream:
        await stream.collect(1)
        reading = asyncio.create_task(stream.collect())
        async with asyncio.timeout(5):
            while not here.service.sessions[session].readers:
                await asyncio.sleep(0.001)
        here.relay.half_open()
        await here.service.append(session, [Item(2)])
        await here.end(session)
        assert [event.data for event in await reading] == ["2"]
        assert stream.reconnects == 1
    here.relay.cut()


async def test_what_is_sent_comes_back(page: Page, here: World, transport: Transport) -> None:
    session = await here.service.start("echo", {"count": 4})
    async with BrowserStream(page, here.link(transport, session.id), chosen(transport)) as stream:
        for value in ("a", {"b": [None, 1.5]}, "é🙂\ud800"):
            await stream.send(value)
            [event] = await stream.collect(1)
            assert json.loads(event.data) == value
        await stream.send("last")
        assert len(await stream.collect()) == 1
        with pytest.raises(StreamEnded):
            await stream.send("too late")


async def flooded(stream: BrowserStream) -> None:
    """Send until something isn't taken; not while the connection is made again."""
    async with asyncio.timeout(5):
        while True:
            with suppress(ConnectionLost):
                await stream.send(1)


async def test_what_is_not_taken_is_told(page: Page, here: World, transport: Transport) -> None:
    """Over WebSocket by the call after it, once its refusal has come among the events."""
    session = await here.service.start("deaf", {})
    async with BrowserStream(page, here.link(transport, session.id), chosen(transport)) as stream:
        await stream.collect(1)
        reading = asyncio.create_task(stream.collect())
        refused = MessageRefused if transport.wire == WEBSOCKET else InboxFull
        with pytest.raises(refused, match="hasn't taken"):
            await flooded(stream)
        await here.service.delete(session.id)
        assert await reading == []
        assert stream.outcome is Outcome.DELETED


async def test_a_message_that_closed_the_connection_is_told_by_the_next_call(page: Page, here: World) -> None:
    session = await here.service.start("echo", {"count": 1})
    link = here.link(discover()["ws"], session.id)
    async with BrowserStream(page, link, {"lane": "ws", **QUICK}) as stream:
        reading = asyncio.create_task(stream.collect())
        await stream.send("x" * 6000)
        async with asyncio.timeout(5):
            while (await stream.state()).reconnects == 0:
                await asyncio.sleep(0.01)
        with pytest.raises(MessageRefused, match="longer than the server takes"):
            await stream.send("not sent")
        await stream.send("sent")
        assert [event.data for event in await reading] == ['"sent"']


async def test_a_full_server_is_waited_for(page: Page, origin: str, transport: Transport) -> None:
    async with world(origin, max_readers=1) as here:
        session = await here.started([Item(1)])
        link = here.link(transport, session)
        with reading(here.service, session):
            waiting = await call(page, "open", link, chosen(transport), "waiting")
            await call(page, "close", waiting["reader"])
        # The seconds that the server asked for, which a WebSocket isn't told of, on top of half of the bound.
        assert waiting["statuses"][1]["delay"] == (0.0005 if transport.wire == WEBSOCKET else 5.0005)


async def test_a_server_that_leaves_ends_its_streams(page: Page, origin: str, transport: Transport) -> None:
    async with world(origin) as here:
        session = await here.started([Item(1)])
        async with BrowserStream(page, here.link(transport, session), chosen(transport)) as stream:
            await stream.collect(1)
            reading = asyncio.create_task(stream.collect())
            await here.service.drain()
            await here.service.close()
            with pytest.raises(StreamOrphaned):
                await reading


async def test_a_loop_that_is_slower_than_a_websocket_holds_a_bounded_part(page: Page, origin: str) -> None:
    async with world(origin) as here:
        session = await here.started([Item("x" * 500_000) for _ in range(40)], end=True)
        async with BrowserStream(page, here.link(discover()["ws"], session), {"lane": "ws", **QUICK}) as stream:
            await stream.collect(1)
            async with asyncio.timeout(5):
                while here.relay.counts.open:  # the page has closed the connection, with megabytes still to come
                    await asyncio.sleep(0.005)
            assert here.relay.connections[-1].down < 19_000_000
            assert await stream.collect() == (await here.expected(session))[1:]
            assert stream.reconnects > 0


async def test_events_are_told_with_value_text_and_time(page: Page, here: World) -> None:
    session = await here.started([Item([1, {"a": None}]), Item(12345678901234567890)], end=True)
    got = await page.evaluate(
        """async (link) => {
          const { connect } = await import("/streamlanes.js");
          const began = performance.now();
          const events = [];
          for await (const event of connect(link, { lane: "sse" })) events.push({ ...event });
          const inOrder = began < events[0].at && events[0].at <= events[1].at && events[1].at <= performance.now();
          return [events.map(({ at, id, ...event }) => event), inOrder];
        }""",
        here.link(discover()["sse"], session),
    )
    events = [
        {"offset": 1, "type": "message", "data": [1, {"a": None}], "raw": '[1,{"a":null}]'},
        {"offset": 2, "type": "message", "data": 12345678901234567000, "raw": "12345678901234567890"},
    ]
    assert got == [events, True]


async def test_leaving_the_loop_closing_and_aborting_end_it(page: Page, here: World, transport: Transport) -> None:
    session = await here.started([Item(n) for n in range(3)])
    got = await page.evaluate(
        """async ([link, lane]) => {
          const { connect } = await import("/streamlanes.js");
          const left = connect(link, { lane });
          for await (const event of left) if (event.offset === 2) break;
          const closed = connect(link, { lane });
          for await (const event of closed) if (event.offset === 3) setTimeout(() => closed.close());
          const control = new AbortController();
          const aborted = connect(link, { lane, signal: control.signal });
          let reason;
          try {
            for await (const event of aborted) if (event.offset === 3) setTimeout(() => control.abort("enough"));
          } catch (caught) { reason = caught; }
          const offset = (stream) => Number(stream.cursor.split(":")[1]);
          return [offset(left), (await left.next()).done, offset(closed), reason, offset(aborted)];
        }""",
        [here.link(transport, session), transport.name],
    )
    assert got == [1, True, 3, "enough", 3]
    async with asyncio.timeout(5):
        while here.service.sessions[session].readers and transport.wire != LONG_POLL:
            await asyncio.sleep(0.005)
    await here.service.delete(session)


async def test_closing_when_told_of_the_connection_ends_the_loop_at_once(page: Page) -> None:
    """Nothing is asked for after a close, and no delay is waited for."""
    got = await page.evaluate(
        """async () => {
          const { connect } = await import("/streamlanes.js");
          const ended = [];
          for (const state of ["connecting", "waiting"]) {
            const options = {
              lane: "sse",
              firstDelay: 60,
              maxDelay: 60,
              random: () => 1,
              onStatus: (status) => { if (status.state === state) stream.close(); },
            };
            const stream = connect("http://127.0.0.1:9/sse/news", options);
            for await (const _ of stream);
            ended.push([state, stream.requests]);
          }
          return ended;
        }"""
    )
    assert got == [["connecting", 0], ["waiting", 1]]
