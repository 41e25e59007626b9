"""The lanes that others are compared with: what they do inside; the contract tests look at them from outside."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
from websockets.asyncio.client import connect as connect_websocket

from streamlanes import clients
from streamlanes.clients import Options
from streamlanes.contract.serving import serving
from streamlanes.contract.sources import AWKWARD, Fed, sources
from streamlanes.producers.events import Event, Item, encode_json
from streamlanes.producers.log.memory import MemoryLog
from streamlanes.transports import Settings, StreamService, Transport, baselines, create_app, discover
from streamlanes.transports.baselines.messages import QUEUED, MessageFraming, ReaderQueue, parsed
from streamlanes.transports.follow import StreamingLane

LANES = baselines.discover()
STREAMING = sorted(name for name, transport in LANES.items() if transport.wire != "long-poll")


@pytest.fixture
def fed() -> Fed:
    return Fed()


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def service(fed: Fed, log: MemoryLog) -> StreamService:
    return StreamService(producers=sources(fed), log=log, settings=Settings(heartbeat=0.2))


@pytest.fixture
async def url(service: StreamService) -> AsyncIterator[str]:
    async with serving(service, list(LANES.values())) as base:
        yield base


def test_they_are_found_in_a_place_of_their_own() -> None:
    assert set(LANES) == {
        *("sse-usual", "ws-usual", "sse-fastapi", "sse-starlette", "poll-single", "sse-asgi", "ws-asgi"),
    }
    assert not LANES.keys() & discover().keys()


def test_an_app_has_them_only_if_it_is_given_them() -> None:
    def paths(*transports: Transport) -> set[str]:
        return set(create_app(StreamService(), transports or None).openapi()["paths"])

    assert not {path for path in paths() if path.split("/")[1] in LANES}
    assert "/sse-usual/{stream}" in paths(LANES["sse-usual"])


def test_a_value_that_was_parsed_is_serialised_to_the_same_text() -> None:
    events = [Event(n, item.type, encode_json(item.value)) for n, item in enumerate(AWKWARD, 1)]
    again = [Event(n, message.name, encode_json(message.value)) for n, message in enumerate(parsed("e", events), 1)]
    assert again == events


async def test_the_queue_is_bounded_and_what_fills_it_waits(service: StreamService, log: MemoryLog) -> None:
    async with service, asyncio.timeout(10):
        session = await service.start("fed", {})
        lane = StreamingLane(service, "test", MessageFraming())
        queue = ReaderQueue(lane.follow(session.id, await lane.open(session.id, "start")))
        async with asyncio.TaskGroup() as tasks:
            filling = tasks.create_task(queue.fill())
            while lane.metrics.delivered < QUEUED:
                await log.append(session.id, [Item(n) for n in range(100)])
                await asyncio.sleep(0)
            for _ in range(20):
                await log.append(session.id, [Item(n) for n in range(100)])
                await asyncio.sleep(0)
            assert queue._queue.qsize() == QUEUED
            assert lane.metrics.delivered < 4 * QUEUED
            filling.cancel()


@pytest.mark.parametrize("name", sorted(LANES.keys() - {"sse-starlette", "sse-asgi", "ws-asgi"}))
async def test_each_event_is_serialised_for_each_reader(
    url: str, service: StreamService, fed: Fed, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    serialised: list[object] = []

    def counting(value: object) -> str:
        serialised.append(value)
        return json.dumps(value, separators=(",", ":"))

    for module in ("sse_usual", "ws_usual", "sse_fastapi", "poll_single"):
        monkeypatch.setattr(f"streamlanes.transports.baselines.{module}.encode_json", counting)
    session = await service.start("fed", {})
    client = clients.discover()[LANES[name].wire]

    async def read() -> int:
        async with client.connect(f"{url}/{name}/{session.id}", options=Options(attempts=1)) as stream:
            return len([event async for event in stream])

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        readers = [tasks.create_task(read()) for _ in range(3)]
        for n in range(10):
            fed.queue.put_nowait(f"value {n}")
        fed.queue.put_nowait(None)
    assert [reader.result() for reader in readers] == [10, 10, 10]
    for n in range(10):
        assert str(serialised).count(f"'value {n}'") == 3


async def test_polls_have_one_event_each(url: str, service: StreamService) -> None:
    session = await service.start("silent", {})
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        answer = (await http.get(f"/poll-single/{session.id}?limit=1000&wait=5")).json()
        assert [event["data"] for event in answer["events"]] == [0]
        assert answer["cursor"] == answer["events"][0]["id"]
        assert (await http.get(f"/poll-single/{session.id}?limit=0")).status_code == 422


@pytest.mark.parametrize("name", STREAMING)
async def test_a_reader_that_leaves_leaves_no_task(url: str, service: StreamService, name: str) -> None:
    session = await service.start("silent", {})
    client = clients.discover()[LANES[name].wire]

    def told() -> set[asyncio.Task[object]]:
        return {task for task in asyncio.all_tasks() if not task.done()}

    async def read(stop: int) -> None:
        async with client.connect(f"{url}/{name}/{session.id}", options=Options(attempts=1)) as stream:
            async for event in stream:
                if event.offset == stop:
                    return

    async with asyncio.timeout(20):
        await read(1)  # what lives as long as the server, such as sse-starlette's watcher, is there from now on
        while service.sessions[session.id].readers:
            await asyncio.sleep(0.005)
        before = len(told())
        for stop in (1, 2, 3, 1, 3):
            await read(stop)
        while len(told()) > before:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("name", STREAMING)
async def test_a_reader_that_takes_nothing_is_dropped_and_leaves_no_task(fed: Fed, name: str) -> None:
    service = StreamService(producers=sources(fed), settings=Settings(send_timeout=0.3, retain_bytes=10**9))
    async with serving(service, list(LANES.values())) as url, asyncio.timeout(30):
        session = await service.start("fed", {})
        host, port = url.removeprefix("http://").split(":")
        before = len(asyncio.all_tasks())
        upgrade = (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            if LANES[name].wire == "websocket"
            else ""
        )
        with socket.create_connection((host, int(port))) as deaf:
            deaf.sendall(f"GET /{name}/{session.id} HTTP/1.1\r\nHost: {host}:{port}\r\n{upgrade}\r\n".encode())
            while not service.sessions[session.id].readers:
                await asyncio.sleep(0.005)
            for _ in range(200):
                fed.queue.put_nowait("x" * 100_000)
            while service.sessions[session.id].readers:
                await asyncio.sleep(0.01)
            assert service.metrics.lane(name).dropped["slow"] == 1
            while len(asyncio.all_tasks()) > before + 1:  # sse-starlette's watcher, which lives as long as the server
                await asyncio.sleep(0.01)


async def test_silence_is_broken_by_the_wires_pings(url: str, service: StreamService) -> None:
    session = await service.start("silent", {})
    async with asyncio.timeout(20):
        async with connect_websocket(f"{url.replace('http', 'ws', 1)}/ws-usual/{session.id}") as websocket:
            while await websocket.recv() != '{"control":"ping"}':
                pass
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
            for name in ("sse-usual", "sse-fastapi"):
                async with http.stream("GET", f"/{name}/{session.id}") as response:
                    assert await until(response, "event: stream-ping")


@pytest.mark.parametrize("name", ["sse-usual", "sse-fastapi"])
async def test_an_event_source_that_has_seen_the_end_is_stopped(
    url: str, service: StreamService, fed: Fed, name: str
) -> None:
    session = await service.start("fed", {})
    fed.queue.put_nowait("only")
    fed.queue.put_nowait(None)
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        body = (await http.get(f"/{name}/{session.id}")).text.replace("\r\n", "\n")
        assert f"{session.cursor.epoch}:1.end" in body
        response = await http.get(f"/{name}/{session.id}", headers={"Last-Event-ID": f"{session.cursor.epoch}:1.end"})
        assert (response.status_code, response.content) == (204, b"")
        assert "no-store" in (await http.get(f"/{name}/{session.id}")).headers["cache-control"]


async def test_an_event_source_is_told_of_a_gap_in_the_stream(url: str, service: StreamService) -> None:
    session = await service.start("silent", {})
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        for name in ("sse-usual", "sse-fastapi"):
            headers = {"Accept": "text/event-stream", "Last-Event-ID": "other:5"}
            async with http.stream("GET", f"/{name}/{session.id}", headers=headers) as response:
                assert response.status_code == 200
                assert await until(response, "event: stream-gap")


async def until(response: httpx.Response, line: str) -> bool:
    """Read until there is this line; False if the response ends without."""
    async for read in response.aiter_lines():
        if read == line:
            return True
    return False
