"""SIGTERM: nobody is left hanging, and the process is gone by the deadline and 2 s, whatever its readers do."""

from __future__ import annotations

import asyncio
import itertools
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import httpx
import pytest

from streamlanes import clients
from streamlanes.clients import Options
from streamlanes.contract.serving import serving
from streamlanes.contract.sources import sources
from streamlanes.producers.errors import CursorExpired, Refused, StreamError, StreamOrphaned
from streamlanes.producers.wire import LONG_POLL
from streamlanes.transports import Settings, SharedStream, StreamService, Transport, create_app, discover
from streamlanes.transports.server.uvicorn_server import server
from tests.guarantees.readers import address, connect, ends_at, request, until
from tests.serving import reading, said, serve_process, serving_app

TRANSPORTS = discover()
NEWS = ("--stream", "news=ticker,rate=2")
IDLE = {"producer": "ticker", "params": {"rate": 0.01}}


@contextmanager
def ending(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server that the block is expected to end, and that has then left no traceback."""
    with serve_process(*arguments) as (url, process):
        yield url, process
        _, log = process.communicate(timeout=20)
        assert said(log) == []


async def gone(process: subprocess.Popen[str], seconds: float) -> float:
    """Wait for the process's end; returns how long that took."""
    return await until(lambda: process.poll() is not None, seconds, "the server's end")


def retry_after(response: httpx.Response) -> float:
    assert response.status_code == 503
    return float(response.headers["Retry-After"])


async def start(http: httpx.AsyncClient, body: object = IDLE) -> str:
    session: str = (await http.post("/start", json=body)).json()["session_id"]
    return session


async def draining(http: httpx.AsyncClient) -> None:
    """Wait until the server has taken note of its signal."""
    while (await http.get("/healthz")).json()["status"] != "draining":
        await asyncio.sleep(0.01)


class Reader:
    """A client that says when it lost its connection, and when it came to the server that told it so."""

    def __init__(self) -> None:
        self.lost: list[float] = []
        self.came = 0.0
        self.back: float | None = None

    async def read(self, transport: Transport, url: str) -> None:
        """Read on and on, until a fresh server says that it doesn't know the stream's epoch."""
        client = clients.discover()[transport.wire]
        options = Options(sleep=self.sleep, attempts=50)
        try:
            async with client.connect(f"{url}/{transport.name}/news", after="now", options=options) as stream:
                async for _ in stream:
                    pass
        except CursorExpired:
            self.back = self.came  # its answer may wait for others on a busy machine

    async def sleep(self, seconds: float) -> None:
        self.lost.append(time.monotonic())
        await asyncio.sleep(seconds)
        self.came = time.monotonic()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("count", [200, pytest.param(500, marks=pytest.mark.long)])
async def test_hundreds_of_readers_learn_it_and_come_back_spread_over_time(count: int) -> None:
    stagger = 4
    readers = [Reader() for _ in range(count)]
    lanes = itertools.cycle(TRANSPORTS.values())
    with ExitStack() as stack, ending(*NEWS, "--drain", f"{stagger}") as (url, process):
        async with asyncio.timeout(100), asyncio.TaskGroup() as tasks:
            for reader in readers:
                tasks.create_task(reader.read(next(lanes), url))
            await until(lambda: ends_at(address(url)[1]) >= count, 40, "all are connected")
            async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
                while (await http.get("/sessions/news")).json()["readers"] < count:
                    await asyncio.sleep(0.05)
            told = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert await gone(process, stagger + 2) < stagger + 2
            over = time.monotonic()
            # In a thread: the readers are on this loop, and go on trying meanwhile.
            await asyncio.to_thread(stack.enter_context, serve_process(*NEWS, "--port", f"{address(url)[1]}"))
            assert all(reader.lost and reader.lost[0] < over + 0.5 for reader in readers)
            waves = Counter(int(reader.lost[0] - told) for reader in readers)
            assert len(waves) >= stagger - 1, waves
    back = Counter(int(reader.back - told) for reader in readers if reader.back is not None)
    assert back.total() == len(readers), "a reader hangs"
    assert max(back.values()) <= 2 * len(readers) / stagger, back


async def test_running_sessions_may_end_and_no_new_ones_begin() -> None:
    with ending("--drain", "2") as (url, process):
        async with asyncio.timeout(10), httpx.AsyncClient(base_url=url, trust_env=False) as http:
            ends = await start(http, {"producer": "ticker", "params": {"rate": 20, "count": 20}})
            stays = await start(http)
            begin = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                reading = [tasks.create_task(outcome(lane, url, ends)) for lane in TRANSPORTS.values()]
                left = [tasks.create_task(outcome(lane, url, stays)) for lane in TRANSPORTS.values()]
                process.send_signal(signal.SIGTERM)
                await draining(http)
                refused = await http.post("/start", json=IDLE)
                assert 0 < retry_after(refused) <= 2 + 2 + 1
                assert refused.headers["content-type"] == "application/problem+json"
            assert {task.result() for task in reading} == {"completed"}
            assert {task.result() for task in left} == {"orphaned"}
            assert 2 <= time.monotonic() - begin < 2 + 2
        await gone(process, 2)


async def outcome(transport: Transport, url: str, session: str) -> str:
    """Read to the end, over one connection."""
    client = clients.discover()[transport.wire]
    try:
        async with client.connect(f"{url}/{transport.name}/{session}", options=Options(attempts=1)) as stream:
            async for _ in stream:
                pass
            return str(stream.outcome)
    except StreamOrphaned:
        return "orphaned"


async def test_waiting_polls_are_answered_at_once_and_later_ones_do_not_spin() -> None:
    with ending(*NEWS, "--drain", "2") as (url, process):
        async with asyncio.timeout(15), httpx.AsyncClient(base_url=url, trust_env=False, timeout=40) as http:
            session = await start(http)
            first = (await http.get(f"/poll/{session}?wait=0")).json()
            place = f"/poll/{session}?after={first['cursor']}&wait=30"
            waiting = asyncio.create_task(http.get(place))
            while (await http.get(f"/sessions/{session}")).json()["readers"] == 0:
                await asyncio.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            begin = time.monotonic()
            assert (await waiting).json() == first | {"events": []}
            assert time.monotonic() - begin < 1
            answers = 1
            while not (answer := (await http.get(place)).json())["done"]:
                answers += 1
            assert answer["outcome"] == "orphaned"
            assert answers <= 5
            assert retry_after(await http.get("/poll/news?wait=0")) > 0
        await gone(process, 2)


async def test_readers_that_do_nothing_right_hold_nobody_up() -> None:
    """Readers who read nothing, requests that never end, and hundreds of idle connections."""
    streams = ("--stream", "backlog=ticker,arrivals=at-once,count=2000,size=4096")
    with ExitStack() as stack, ending(*NEWS, *streams, "--drain", "1") as (url, process):
        async with asyncio.timeout(15), httpx.AsyncClient(base_url=url, trust_env=False) as http:
            session = await start(http)
            halves = [
                b"GET /sse/news HTTP/1.1\r\nHost: localh",
                b"POST /start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
                f"POST /send/{session} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n1".encode(),
                b"",
            ]
            for lane in TRANSPORTS.values():
                for stream in ("backlog", "news", session):
                    limit = "limit=1000" if lane.wire == LONG_POLL else ""
                    for _ in range(5):
                        stack.enter_context(connect(url, request(lane, stream, limit)))
            for half in halves * 100:
                stack.enter_context(connect(url, half))
            await until(lambda: ends_at(address(url)[1]) >= 460, 10, "all are connected")
            process.send_signal(signal.SIGTERM)
            assert await gone(process, 1 + 2) < 1 + 2


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_hurries_and_its_readers_are_told_all_the_same(second: signal.Signals) -> None:
    with serve_process(*NEWS, "--drain", "60") as (url, process):
        async with asyncio.timeout(10), httpx.AsyncClient(base_url=url, trust_env=False) as http:
            session = await start(http)
            async with asyncio.TaskGroup() as tasks:
                left = [tasks.create_task(outcome(lane, url, session)) for lane in TRANSPORTS.values()]
                while (await http.get(f"/sessions/{session}")).json()["readers"] < len(left):
                    await asyncio.sleep(0.02)
                process.send_signal(signal.SIGTERM)
                await draining(http)
                process.send_signal(second)
                assert await gone(process, 2) < 2
        _, log = process.communicate(timeout=5)
        assert "Traceback" not in log
        streaming = [
            task.result() for lane, task in zip(TRANSPORTS.values(), left, strict=True) if lane.wire != LONG_POLL
        ]
        assert set(streaming) == {"orphaned"}


async def test_an_idle_server_is_gone_at_once() -> None:
    with ending(*NEWS) as (url, process):
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http:  # whose connection stays
            assert (await http.get("/healthz")).status_code == 200
            process.send_signal(signal.SIGTERM)
            assert await gone(process, 1) < 1


async def test_a_drain_that_fails_does_not_keep_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    service = StreamService(producers=sources())

    async def broken(_: float | None = None) -> None:
        raise RuntimeError("the log can't be reached")

    monkeypatch.setattr(service, "drain", broken)
    with pytest.raises(ExceptionGroup) as told:
        async with asyncio.timeout(5), serving(service):
            session = await service.start("silent", {})
    assert "can't be reached" in repr(told.value)
    assert not session.running


async def test_mounted_the_service_drains_by_itself() -> None:
    """Under a server of somebody else's, and before that one closes anything."""
    shared = SharedStream(name="news", producer="ticker", params={"rate": 5})
    service = StreamService(producers=sources(), shared=[shared], settings=Settings(drain=1))
    async with asyncio.timeout(15), serving_app(create_app(service)) as url, asyncio.TaskGroup() as tasks:
        session = await service.start("silent", {})
        lost = [tasks.create_task(lose(lane, url)) for lane in TRANSPORTS.values()]
        left = [tasks.create_task(outcome(lane, url, session.id)) for lane in TRANSPORTS.values()]
        await until(lambda: service.sessions["news"].readers == len(TRANSPORTS), 5, "all read the news")
        await until(lambda: session.readers == len(TRANSPORTS), 5, "all read the session")
        began = time.monotonic()
        await service.drain()
        assert 1 <= time.monotonic() - began < 1.5
        assert service.sessions["news"].readers == 0
        with pytest.raises(Refused):
            await service.start("silent", {})
        await service.close()
    assert {task.result() for task in left} == {"orphaned"}
    assert all(isinstance(task.result(), StreamError) for task in lost)


async def lose(transport: Transport, url: str) -> StreamError | None:
    """Read until the connection is lost; returns what was said."""
    client = clients.discover()[transport.wire]
    try:
        async with client.connect(f"{url}/{transport.name}/news", options=Options(attempts=1)) as stream:
            async for _ in stream:
                pass
    except StreamError as error:
        return error
    return None


LAST_WORDS: Final = {
    "sse": rb"^retry: (?:1[0-4]\d\d|\d{1,3}|1500)\n(?s:.)*\r\n0\r\n\r\n",
    "ndjson": rb"\r\n0\r\n\r\n",
    "ws": rb"\x88\x02\x03\xe9",  # a close frame of two bytes: 1001
    "poll": rb'"events":\[',
}


@pytest.mark.parametrize("transport", TRANSPORTS.values(), ids=lambda transport: transport.name)
async def test_readers_are_sent_away_in_the_words_of_their_wire(transport: Transport) -> None:
    shared = SharedStream(name="news", producer="ticker", params={"rate": 1})
    service = StreamService(shared=[shared], settings=Settings(drain=0.5))
    asking = request(transport, "news", "after=now&wait=30" if transport.wire == LONG_POLL else "after=now")
    async with asyncio.timeout(10), serving(service) as url:
        reader, writer = await asyncio.open_connection(*address(url))
        writer.write(asking)
        await until(lambda: service.sessions["news"].readers == 1, 5, "it reads")
        await service.drain()
        said = b""
        while not re.search(LAST_WORDS[transport.name], said, re.MULTILINE):
            piece = await reader.read(65536)
            assert piece, said
            said += piece
        writer.close()


async def test_two_drains_end_at_the_earlier_time() -> None:
    async with StreamService(producers=sources()) as service:
        await service.start("silent", {})
        with reading(service, "none"):
            begin = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(service.drain(0.2))
                tasks.create_task(service.drain(0.1))
            assert time.monotonic() - begin < 1
            assert service.departure.back_in() <= 1


async def test_a_second_signal_before_it_serves_is_no_error() -> None:
    early = server(StreamService(), lambda: None)
    early.handle_exit(signal.SIGTERM, None)
    early.handle_exit(signal.SIGTERM, None)
    assert early.should_exit
