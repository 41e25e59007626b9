"""The way up, alike on every lane: to the real server, and what it answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from streamlanes import clients
from streamlanes.clients import EventStream, Options
from streamlanes.clients.address import Address
from streamlanes.clients.refusals import not_taken
from streamlanes.contract.serving import serving
from streamlanes.contract.sources import sources
from streamlanes.producers.errors import (
    ConnectionLost,
    InboxFull,
    InvalidItem,
    MessageRefused,
    Refused,
    RequestRejected,
    StreamEnded,
    StreamError,
    UnknownStream,
)
from streamlanes.producers.events import JSON, encode_json
from streamlanes.producers.wire import WEBSOCKET
from streamlanes.transports import Settings, SharedStream, StreamService, discover

CLIENTS = {name: clients.discover()[transport.wire] for name, transport in discover().items()}
MESSAGES: tuple[JSON, ...] = ("hi", 1, None, {"a": [1.5, "ü\u2028\n"]}, "x" * 10_000, "\ud800")


@pytest.fixture(params=sorted(CLIENTS))
def lane(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
async def service() -> StreamService:
    news = SharedStream(name="news", producer="silent")
    return StreamService(
        producers=sources(), shared=[news], settings=Settings(max_inbox=2, max_message_bytes=20_000, drain=0)
    )


@pytest.fixture
async def url(service: StreamService) -> AsyncIterator[str]:
    async with serving(service) as base, asyncio.timeout(20):
        yield base


def connect(url: str, lane: str, stream: str, **options: float) -> EventStream:
    made = Options(attempts=1, open_timeout=options.get("open_timeout", 10))
    return CLIENTS[lane].connect(f"{url}/{lane}/{stream}", options=made)


async def test_what_is_sent_comes_back(url: str, service: StreamService, lane: str) -> None:
    session = await service.start("echo", {})
    async with connect(url, lane, session.id) as stream:
        for message in MESSAGES:
            await stream.send(message)
            assert (await anext(stream)).data == encode_json(message)
        assert stream.reconnects == 0


async def test_one_task_sends_while_another_reads(url: str, service: StreamService, lane: str) -> None:
    session = await service.start("echo", {"count": 200})
    async with connect(url, lane, session.id) as stream, asyncio.TaskGroup() as tasks:

        async def send() -> None:
            for n in range(200):
                while n > int(stream.cursor.offset if stream.cursor else 0):  # the inbox has room for two
                    await asyncio.sleep(0)
                await stream.send(n)

        tasks.create_task(send())
        assert [event.data async for event in stream] == [str(n) for n in range(200)]


async def test_a_full_inbox_is_told(url: str, service: StreamService, lane: str) -> None:
    session = await service.start("silent", {})
    async with connect(url, lane, session.id) as stream:
        assert (await anext(stream)).data == "0"
        await stream.send(1)
        await stream.send(2)
        if CLIENTS[lane].wire == WEBSOCKET:
            await stream.send(3)
            reading = asyncio.create_task(drain(stream))
            with pytest.raises(MessageRefused, match="later"):
                await send_until_told(stream)
            reading.cancel()
        else:
            with pytest.raises(InboxFull, match="later"):
                await stream.send(3)


async def send_until_told(stream: EventStream) -> None:
    """Over WebSocket, that nothing more is taken comes with what is read."""
    while True:
        await stream.send("anybody?")
        await asyncio.sleep(0.01)


async def drain(stream: EventStream) -> None:
    async for _ in stream:
        pass


async def test_an_ended_stream_takes_nothing(url: str, service: StreamService, lane: str) -> None:
    session = await service.start("ticker", {"count": 1, "arrivals": "at-once"})
    async with connect(url, lane, session.id) as stream:
        await drain(stream)
        with pytest.raises(StreamEnded):
            await stream.send("anybody?")


async def test_nor_does_one_that_ended_unheard(url: str, service: StreamService, lane: str) -> None:
    session = await service.start("echo", {"count": 1})
    async with connect(url, lane, session.id) as stream:
        service.send(session.id, "from elsewhere")
        while session.running:
            await asyncio.sleep(0)
        with pytest.raises(StreamEnded):
            await send_until_told(stream)


async def test_a_shared_stream_takes_nothing(url: str, lane: str) -> None:
    async with connect(url, lane, "news") as stream:
        if CLIENTS[lane].wire == WEBSOCKET:
            await stream.send(1)
            assert [(await anext(stream)).data for _ in range(3)] == ["0", "1", "2"]
            reading = asyncio.create_task(drain(stream))
            with pytest.raises(MessageRefused, match="shared"):
                await send_until_told(stream)
            reading.cancel()
        else:
            with pytest.raises(UnknownStream):
                await stream.send(1)


async def test_what_is_longer_than_a_body_may_be_is_told_too(lane: str) -> None:
    """A WebSocket that it comes over is closed (1009): its reader goes on over a new one, and its sender learns why."""
    service = StreamService(producers=sources(), settings=Settings(max_message_bytes=100, max_body_bytes=1000, drain=0))
    client = CLIENTS[lane]
    async with serving(service) as url, asyncio.timeout(20):
        session = await service.start("echo", {})
        async with client.connect(f"{url}/{lane}/{session.id}", options=Options(first_delay=0.001)) as stream:
            if CLIENTS[lane].wire == WEBSOCKET:
                await stream.send("x" * 1000)
                reading = asyncio.create_task(anext(stream))
                while not stream.reconnects:
                    await asyncio.sleep(0)
                with pytest.raises(MessageRefused, match="longer"):
                    await stream.send("not sent")
                await stream.send("sent")
                assert (await reading).data == '"sent"'
            else:
                with pytest.raises(RequestRejected, match="1000"):
                    await stream.send("x" * 1000)


async def test_what_is_not_json_is_not_sent(url: str, service: StreamService, lane: str) -> None:
    session = await service.start("echo", {})
    stream = connect(url, lane, session.id)
    with pytest.raises(RuntimeError, match="block"):
        await stream.send(1)
    async with stream:
        with pytest.raises(InvalidItem, match="only JSON"):
            await stream.send(float("nan"))
    with pytest.raises(RuntimeError, match="block"):
        await stream.send(1)


async def test_a_server_that_is_gone_is_told(service: StreamService, lane: str) -> None:
    async with serving(service) as url:
        session = await service.start("echo", {})
        stream = await connect(url, lane, session.id).__aenter__()
    with pytest.raises((ConnectionLost, StreamEnded)):
        await send_until_told(stream)
    await stream.__aexit__(None, None, None)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, UnknownStream),
        (409, StreamEnded),
        (413, RequestRejected),
        (422, RequestRejected),
        (429, InboxFull),
        (503, Refused),
        (500, ConnectionLost),
    ],
)
def test_answers(status: int, error: type[StreamError]) -> None:
    told = not_taken(status, body=b'{"detail": "because"}')
    assert type(told) is error
    assert str(told) == "because"


def test_the_way_up_is_beside_the_lane() -> None:
    stream = Address.parse("https://h/api/sse/x?token=a")
    assert stream.beside("send").http() == "https://h/api/send/x?token=a"
    assert Address.parse("http://h/sse/x").beside("send").http() == "http://h/send/x"
    for path in ("", "/", "/x", "/sse/"):
        with pytest.raises(ValueError, match="LANE/ID"):
            Address.parse(f"http://h{path}").beside("send")
