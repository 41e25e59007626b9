"""Which way readers' bytes take under our own server, and that nobody in between misses anything."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
from fastapi import Depends, FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamlanes.contract.serving import serving
from streamlanes.contract.sources import Fed, sources
from streamlanes.contract.ways import as_it_is, under_uvicorn, wrapped
from streamlanes.producers.wire import LONG_POLL, WEBSOCKET
from streamlanes.transports import SharedStream, StreamService, Transport, discover, mount
from streamlanes.transports.service.settings import Settings
from tests.guarantees.wires import connected, read_request, rest, status_of, tasks, until

LANES = discover()


@pytest.fixture(params=sorted(LANES))
def transport(request: pytest.FixtureRequest) -> Transport:
    return LANES[request.param]


@pytest.fixture
def service(fed: Fed) -> StreamService:
    shared = [SharedStream(name="a", producer="fed")]
    return StreamService(producers=sources(fed), shared=shared, settings=Settings(drain=0))


def asking(transport: Transport) -> bytes:
    return read_request(transport, "a", "wait=30&limit=1000" if transport.wire == LONG_POLL else "")


@asynccontextmanager
async def reading(
    url: str, transport: Transport, service: StreamService, count: int
) -> AsyncIterator[list[asyncio.StreamReader]]:
    """So many readers that are there."""
    async with AsyncExitStack() as stack:
        readers = [(await stack.enter_async_context(connected(url, asking(transport))))[0] for _ in range(count)]
        if transport.wire != LONG_POLL:
            for reader in readers:
                await status_of(reader)
        await until(lambda: service.sessions["a"].readers == count)
        yield readers


async def heard(readers: list[asyncio.StreamReader], text: bytes) -> None:
    async with asyncio.timeout(10):
        for reader in readers:
            await reader.readuntil(text)


async def test_a_waiting_reader_has_no_task(service: StreamService, transport: Transport, fed: Fed) -> None:
    async with serving(service) as url:
        async with reading(url, transport, service, 1):
            await asyncio.sleep(0)
            before = tasks()
        async with reading(url, transport, service, 20) as readers:
            await until(lambda: tasks() <= before)  # one for all, as for one
            fed.queue.put_nowait("hello")
            await heard(readers, b"hello")


async def test_mounted_under_our_protocols_it_has_none_either(
    service: StreamService, transport: Transport, fed: Fed
) -> None:
    outer = FastAPI()
    mount(outer, "/streams", service)

    def around(_: ASGIApp) -> ASGIApp:
        return outer

    async with serving(service, around=around) as url:
        request = asking(transport).replace(b"GET /", b"GET /streams/")
        async with AsyncExitStack() as stack:
            first, _ = await stack.enter_async_context(connected(url, request))
            await until(lambda: service.sessions["a"].readers == 1)
            await asyncio.sleep(0)
            before = tasks()
            others = [(await stack.enter_async_context(connected(url, request)))[0] for _ in range(10)]
            await until(lambda: service.sessions["a"].readers == 11 and tasks() <= before)
            fed.queue.put_nowait("hello")
            await heard([first, *others], b"hello")


@pytest.mark.parametrize("around", [wrapped, under_uvicorn])
async def test_in_the_other_ways_each_has_its_call(
    service: StreamService, transport: Transport, fed: Fed, around: Callable[[ASGIApp], ASGIApp]
) -> None:
    async with serving(service, around=around) as url:
        before = tasks()
        async with reading(url, transport, service, 10) as readers:
            await until(lambda: tasks() >= before + 10)
            fed.queue.put_nowait("hello")
            await heard(readers, b"hello")
        await until(lambda: service.sessions["a"].readers == 0)


async def test_a_middleware_that_wraps_send_sees_everything_and_is_named_once(
    service: StreamService, transport: Transport, fed: Fed, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[bytes] = []

    def watching(app: ASGIApp) -> ASGIApp:
        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            async def seeing(message: Message) -> None:
                seen.append(message.get("body", b"") or (message.get("text") or "").encode())
                await send(message)

            await app(scope, receive, seeing)

        return watched

    with caplog.at_level(logging.WARNING, "streamlanes"):
        async with serving(service, around=watching) as url, reading(url, transport, service, 3) as readers:
            fed.queue.put_nowait("hello")
            await heard(readers, b"hello")
    assert sum(b"hello" in one for one in seen) == 3
    told = [record.getMessage() for record in caplog.records if "wraps ASGI's `send`" in record.getMessage()]
    assert len(told) == (0 if transport.wire == LONG_POLL else 1)
    assert all("watching.<locals>.watched.<locals>.seeing" in one for one in told)


class Holding:
    """A middleware that leaves `send` alone, and has something to do when its app is done."""

    def __init__(self, app: ASGIApp, seconds: float | None = None) -> None:
        self._app = app
        self._seconds = seconds
        self.inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        self.inside += 1
        try:
            async with asyncio.timeout(self._seconds):
                await self._app(scope, receive, send)
        except TimeoutError:
            pass
        finally:
            self.inside -= 1


@pytest.mark.parametrize("end", ["end", "leave"])
async def test_a_middleware_that_does_not_wrap_send_sees_the_end(
    service: StreamService, transport: Transport, fed: Fed, end: str
) -> None:
    made: list[Holding] = []

    def around(app: ASGIApp) -> ASGIApp:
        made.append(Holding(app))
        return made[0]

    async with serving(service, around=around) as url:
        (holding,) = made
        async with reading(url, transport, service, 3) as readers:
            assert holding.inside == 3
            if end == "end":
                fed.queue.put_nowait("hello")
                fed.queue.put_nowait(None)
                await heard(readers, b"hello")
                await until(lambda: holding.inside == 0)
        await until(lambda: holding.inside == 0)


async def test_a_middleware_that_cancels_its_app_ends_the_connection(
    service: StreamService, transport: Transport
) -> None:
    async with serving(service, around=lambda app: Holding(app, 0.3)) as url:
        async with reading(url, transport, service, 3) as readers:
            for reader in readers:
                await rest(reader)
        await until(lambda: not service.connections and service.sessions["a"].readers == 0)


async def test_what_is_sent_is_the_same_in_all_ways(transport: Transport) -> None:
    """Byte for byte, but for what differs anyway: dates, and how a poll's headers stand in order."""
    answers = set()
    for around in (as_it_is, under_uvicorn, wrapped):
        again = StreamService(
            producers=sources(),
            shared=[SharedStream(name="a", producer="ticker", params={"count": 300, "arrivals": "at-once"})],
        )
        async with serving(again, around=around) as url:
            shared = again.sessions["a"]
            while shared.running:
                await asyncio.sleep(0)
            epoch = shared.cursor.epoch
            async with connected(url, asking(transport)) as (reader, _):
                last = {LONG_POLL: b'"completed"}', WEBSOCKET: b"\x88\x02\x03\xe8"}.get(transport.wire, b"0\r\n\r\n")
                head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
                body = await reader.readuntil(last)
            lines = sorted(line for line in head.lower().split(b"\r\n") if not line.startswith(b"date:"))
            answers.add((tuple(lines), body.replace(epoch.encode(), b"EPOCH")))
    assert len(answers) == 1


async def test_refused_at_the_door_is_refused_ahead_of_routing_too(service: StreamService) -> None:
    """Polls are answered before the framework's routing; what is checked before is checked before."""
    async with serving(service) as url, httpx.AsyncClient(base_url=url, trust_env=False) as http:
        assert (await http.get("/poll/a?wait=0")).status_code == 200
        assert (await http.get("/poll/a?wait=0", headers={"Host": "evil.example"})).status_code == 421
        assert (await http.get("/poll/a?wait=0", headers={"Origin": "http://evil.example"})).status_code == 403
        assert (await http.get("/poll/b?wait=0")).status_code == 404
        assert (await http.get("/poll/a?wait=0&after=other:1")).status_code == 410
        assert (await http.get("/poll/a?wait=61")).status_code == 422
        assert (await http.get("/poll/a?wait=0&limit=0")).status_code == 422
        assert (await http.get("/poll/a?wait=0&after=nonsense")).status_code == 422
        assert (await http.post("/poll/a?wait=0")).status_code == 405
        assert (await http.get(f"{url}//poll/a?wait=0")).status_code == 404


async def test_dependencies_with_yield_end_with_the_stream(
    service: StreamService, transport: Transport, fed: Fed
) -> None:
    inside = 0

    async def held() -> AsyncIterator[None]:
        nonlocal inside
        inside += 1
        yield
        inside -= 1

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service:
            yield

    app = FastAPI(lifespan=lifespan)
    app.include_router(transport.router(service), dependencies=[Depends(held)])
    async with serving(service, around=lambda _: app) as url, connected(url, asking(transport)) as (reader, _):
        await until(lambda: inside == 1)
        for _ in range(50):
            await asyncio.sleep(0)
        assert inside == 1
        fed.queue.put_nowait("hello")
        fed.queue.put_nowait(None)
        await heard([reader], b"hello")
        await until(lambda: inside == 0)
