"""A reader that stops reading is gone within the send time-out and 5 s, socket and memory; one that moves is told."""

from __future__ import annotations

import asyncio
import re
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from streamlanes.contract.serving import serving
from streamlanes.producers.wire import LONG_POLL
from streamlanes.transports import Settings, SharedStream, StreamService, Transport, create_app, discover
from tests.guarantees.readers import (
    Crowd,
    address,
    connect,
    gone_from_kernel,
    open_files,
    own_memory,
    request,
    server_ends,
    until,
)
from tests.serving import said, serve_process, serving_app

TRANSPORTS = discover()
STREAMING = [transport for transport in TRANSPORTS.values() if transport.wire != LONG_POLL]
SEND_TIMEOUT = 2.0
GONE_WITHIN = SEND_TIMEOUT + 5
BACKLOG = SharedStream(name="backlog", producer="ticker", params={"arrivals": "at-once", "count": 2000, "size": 4096})
"""8 MB at once, which is more than all buffers on the way hold."""

READER_BYTES = {"direct": 256 * 1024, "wrapped": 320 * 1024}
"""What a stalled streaming reader may cost the server's process (see docs/guarantees.md): the transport's buffer up to
its mark of 64 KiB, the batch of 64 KiB that goes over it, once more as frames, and the connection's own objects; by
ASGI's `send` also the coroutines that it takes."""
POLL_BYTES = 3 * 1024 * 1024
"""The same for a poll: an answer is up to 1 MiB and one event."""


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Closes what a test enters into it."""
    with ExitStack() as stack:
        yield stack


async def test_one_stalled_reader_among_two_hundred_is_gone_and_the_others_do_not_notice(opened: ExitStack) -> None:
    limits = ("--max-message-bytes", "70000", "--max-inbox", "100")
    arguments = ("--send-timeout", f"{SEND_TIMEOUT}", "--drain", "0", *limits)
    with serve_process(*arguments) as (url, process):
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http, asyncio.timeout(50):
            session = (await http.post("/start", json={"producer": "echo"})).json()["session_id"]
            for _ in range(60):  # 3.6 MB, for the stalled to stall on
                assert (await http.post(f"/send/{session}", json="x" * 60_000)).status_code == 202
            crowd = Crowd(url, session)
            async with asyncio.TaskGroup() as tasks:
                lanes = (list(TRANSPORTS.values()) * 50)[:199]
                readers = [tasks.create_task(crowd.read(lane)) for lane in lanes]
                await everybody_reads(http, session, 199)
                sent: list[float] = []
                begin = asyncio.get_running_loop().time()
                while asyncio.get_running_loop().time() < begin + 1.5:
                    await say(http, session, sent)
                calm = len(sent)  # so many
                files = open_files(process)
                stalled = {
                    lane.name: opened.enter_context(connect(url, request(lane, session)))
                    for lane in TRANSPORTS.values()
                }
                begin = asyncio.get_running_loop().time()
                took: dict[str, float] = {}
                while len(took) < len(stalled) and (now := asyncio.get_running_loop().time()) < begin + GONE_WITHIN:
                    took |= {name: now - begin for name, sock in stalled.items() if gone_from_kernel(sock)} | took
                    await say(http, session, sent)
                assert took.keys() == stalled.keys(), took
                assert min(took.values()) > SEND_TIMEOUT / 2, took
                await until(lambda: open_files(process) == files, 1, "the server has closed their files")
                await until(lambda: all(len(numbers) == len(sent) for numbers in crowd.numbers), 5, "all have all")
                exposed = (await http.get("/metrics")).text
                for task in readers:
                    task.cancel()
        assert len(crowd.numbers) == 199
        assert all(numbers == list(range(len(sent))) for numbers in crowd.numbers)
        latencies = [[times[n] - sent[n] for times in crowd.times] for n in range(len(sent))]
        before, during = p99(latencies[:calm]), p99(latencies[calm:])
        assert during < 2 * before + 0.05, f"p99 was {before:.4f} s and became {during:.4f} s"
        assert sum(map(float, re.findall(r"^streamlanes_connections\{.*\} (.*)", exposed, re.MULTILINE))) == 199
        process.terminate()
        _, log = process.communicate(timeout=10)
    assert said(log) == [], log


class Timing(asyncio.Protocol):
    """A reader among many: notes when each piece came."""

    def __init__(self, asking: bytes, came: list[float]) -> None:
        self._asking = asking
        self._came = came

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(self._asking)

    def data_received(self, data: bytes) -> None:
        if b"tick" in data:
            self._came.append(time.monotonic())


@pytest.mark.long
@pytest.mark.timeout(180)
@pytest.mark.parametrize("transport", STREAMING, ids=lambda transport: transport.name)
async def test_one_stalled_reader_among_a_thousand_costs_the_others_nothing(
    transport: Transport, opened: ExitStack
) -> None:
    """How far an event's arrivals are apart, at the median, with and without it, in turns."""
    loop = asyncio.get_running_loop()
    limits = ("--max-message-bytes", "70000", "--max-inbox", "100", "--send-timeout", "60", "--drain", "0")
    with serve_process(*limits) as (url, _):
        async with httpx.AsyncClient(base_url=url, trust_env=False) as http, asyncio.timeout(150):
            session = (await http.post("/start", json={"producer": "echo"})).json()["session_id"]
            for _ in range(60):
                assert (await http.post(f"/send/{session}", json="x" * 60_000)).status_code == 202
            came: list[float] = []
            asking = request(transport, session, "after=now")
            transports = []
            for _ in range(1000):
                made, _ = await loop.create_connection(lambda: Timing(asking, came), *address(url))
                transports.append(made)
            await everybody_reads(http, session, 1000)
            medians: dict[bool, list[float]] = {True: [], False: []}
            for turn in range(12):
                with ExitStack() as one:
                    if turn % 2:
                        one.enter_context(connect(url, request(transport, session)))
                        await everybody_reads(http, session, 1001)
                    await asyncio.sleep(1)  # until it is paused: what it takes meanwhile is its own
                    spreads = []
                    for _ in range(60):
                        came.clear()
                        assert (await http.post(f"/send/{session}", json="tick")).status_code == 202
                        while len(came) < 1000:
                            await asyncio.sleep(0.001)
                        spreads.append(statistics.median(came) - came[0])
                    medians[bool(turn % 2)].append(statistics.median(spreads))
                await everybody_reads(http, session, 1000)
            for made in transports:
                made.abort()
    without, with_it = (statistics.median(medians[stalled]) for stalled in (False, True))
    print(f"{transport.name}: {without * 1e3:.2f} ms without, {with_it * 1e3:.2f} ms with")  # noqa: T201 (for `-s`)
    assert with_it < 1.1 * without


async def everybody_reads(http: httpx.AsyncClient, session: str, readers: int) -> None:
    """Wait until so many readers wait for what comes next."""
    async with asyncio.timeout(10):
        while (await http.get(f"/sessions/{session}")).json()["readers"] != readers:
            await asyncio.sleep(0.05)


async def say(http: httpx.AsyncClient, session: str, sent: list[float]) -> None:
    """Have the next number appended, ten times a second."""
    sent.append(asyncio.get_running_loop().time())
    assert (await http.post(f"/send/{session}", json={"n": len(sent) - 1})).status_code == 202
    await asyncio.sleep(max(sent[-1] + 0.1 - asyncio.get_running_loop().time(), 0))


def p99(latencies: list[list[float]]) -> float:
    return statistics.quantiles([each for event in latencies for each in event], n=100)[98]


async def test_what_stalled_readers_cost_is_bounded(opened: ExitStack, way: str) -> None:
    stream = "backlog=ticker,arrivals=at-once,count=2000,size=4096"
    with serve_process("--send-timeout", "2", "--drain", "0", "--stream", stream) as (url, process):
        files = open_files(process)
        for transport in TRANSPORTS.values():
            asking = request(transport, "backlog", "limit=1000" if transport.wire == LONG_POLL else "")
            with connect(url, asking) as first:  # what is needed once isn't a reader's
                first.settimeout(5)
                first.recv(1)
            # Its file too: what a connection holds is freed when the server has closed it.
            await until(lambda: open_files(process) == files, 5, "the first one is gone")
            memory = own_memory(process)
            socks = [opened.enter_context(connect(url, asking)) for _ in range(40)]
            most = 0
            peak = memory
            begin = asyncio.get_running_loop().time()
            # On a busy machine the first may be gone before the last is there.
            while most < 30 or server_ends(socks) or open_files(process) > files:
                assert asyncio.get_running_loop().time() < begin + 2 + 5, (transport.name, most)
                most = max(most, open_files(process) - files)
                peak = max(peak, own_memory(process))
                await asyncio.sleep(0.02)
            bound = POLL_BYTES if transport.wire == LONG_POLL else READER_BYTES[way]
            assert (peak - memory) / most < bound, transport.name
        process.terminate()
        _, log = process.communicate(timeout=10)
    assert said(log) == [], log


@pytest.mark.parametrize("transport", STREAMING, ids=lambda transport: transport.name)
async def test_a_reader_that_takes_a_little_now_and_then_is_dropped_too(
    transport: Transport, opened: ExitStack
) -> None:
    """The kernel's time-out starts again with each byte that is taken; the sweep's doesn't."""
    service = StreamService(shared=[BACKLOG], settings=Settings(send_timeout=0.5))
    async with asyncio.timeout(15), serving(service) as url:
        sock = opened.enter_context(connect(url, request(transport, "backlog")))
        sock.setblocking(False)
        await until(lambda: service.sessions["backlog"].readers == 1, 5, "it reads")
        begin = asyncio.get_running_loop().time()
        while service.sessions["backlog"].readers:
            assert asyncio.get_running_loop().time() < begin + 0.5 + 5
            await take(sock, 800, 0.1)
        assert service.metrics.lane(transport.name).dropped["slow"] == 1
        assert not service.connections
        await until(lambda: gone_from_kernel(sock), 1, "its socket is gone")


async def test_under_another_server_its_task_is_ended(opened: ExitStack) -> None:
    service = StreamService(shared=[BACKLOG], settings=Settings(send_timeout=0.5))
    async with asyncio.timeout(15), serving_app(create_app(service)) as url:
        for transport in STREAMING:
            opened.enter_context(connect(url, request(transport, "backlog")))
        await until(lambda: service.sessions["backlog"].readers == len(STREAMING), 5, "they read")
        await until(lambda: service.sessions["backlog"].readers == 0, 0.5 + 5, "they were dropped")
        assert [service.metrics.lane(transport.name).dropped["slow"] for transport in STREAMING] == [1] * len(STREAMING)
        opened.close()  # which is what this server needs for its end


async def test_readers_that_move_but_slower_than_retention_are_told_of_the_gap() -> None:
    shared = SharedStream(name="fast", producer="ticker", params={"rate": 3000, "size": 4096})
    service = StreamService(shared=[shared], settings=Settings(send_timeout=2, retain_events=100))
    async with asyncio.timeout(20), serving(service) as url, asyncio.TaskGroup() as lanes:
        for transport in STREAMING:
            lanes.create_task(until_a_gap(transport, url), name=transport.name)
    assert not any(service.metrics.lane(transport.name).dropped for transport in STREAMING)


async def until_a_gap(transport: Transport, url: str) -> None:
    """Read slowly."""
    with connect(url, request(transport, "fast", "after=now"), receive_buffer=65536) as sock:
        sock.setblocking(False)
        held = b""
        while (gap := re.search(rb'"after":"\w+:(\d+)","next":"\w+:(\d+)","missing":(\d+)', held)) is None:
            held = held[-200:] + await take(sock, 65536, 0.01)
        after, following, missing = map(int, gap.groups())
        assert following - after == missing > 0


async def take(sock: socket.socket, most: int, pause: float) -> bytes:
    """Read what has come, up to *most* bytes, and wait: a slow reader."""
    try:
        data = sock.recv(most)
    except BlockingIOError:
        data = b""
    except ConnectionResetError:
        return b""
    await asyncio.sleep(pause)
    return data
