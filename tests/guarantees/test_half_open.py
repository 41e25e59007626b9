"""A connection whose other end is silent for good is noticed on both sides, and nothing is lost."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from functools import partial

import httpx

from streamlanes import clients
from streamlanes.benchmarks.relay import Relay
from streamlanes.clients import EventStream, LongPollClient, Options
from streamlanes.producers.wire import LONG_POLL
from streamlanes.transports import Transport, discover
from tests.guarantees.readers import address, connect, deafen, gone_from_kernel, open_files, request, server_ends, until
from tests.serving import serve_process

TRANSPORTS = discover()
HEARTBEAT = 1.0
SEND_TIMEOUT = 1.0
GONE_WITHIN = SEND_TIMEOUT + 5 + HEARTBEAT
ARGUMENTS = ("--heartbeat", f"{HEARTBEAT}", "--send-timeout", f"{SEND_TIMEOUT}", "--drain", "0")
OPTIONS = Options(grace=0.5, first_delay=0.01, max_delay=0.02, attempts=3)


def read(transport: Transport, url: str) -> EventStream:
    client = clients.discover()[transport.wire]
    if isinstance(client, LongPollClient):
        return client.connect(url, options=OPTIONS, wait=HEARTBEAT)
    return client.connect(url, options=OPTIONS)


async def test_the_client_comes_back_and_loses_nothing_and_the_server_lets_go() -> None:
    with serve_process(*ARGUMENTS) as (url, process):
        async with asyncio.timeout(20), httpx.AsyncClient(base_url=url) as http:
            files = open_files(process)
            async with asyncio.TaskGroup() as lanes:
                for transport in TRANSPORTS.values():
                    lanes.create_task(one_lane(transport, url, http), name=transport.name)
        await until(lambda: open_files(process) == files, GONE_WITHIN, "the server has closed its files")


async def one_lane(transport: Transport, url: str, http: httpx.AsyncClient) -> None:
    """Half-open the lane's connection in the middle of the stream."""
    loop = asyncio.get_running_loop()
    session = (await http.post("/start", json={"producer": "echo"})).json()["session_id"]
    async with Relay(*address(url)) as relay:
        async with read(transport, f"{relay.url}/{transport.name}/{session}") as stream:
            await http.post(f"/send/{session}", json=1)
            assert (await anext(stream)).data == "1"
            waiting = asyncio.create_task(anext(stream))
            while not (upstream := [splice._server for splice in relay._splices]):
                await asyncio.sleep(0.01)
            relay.half_open()
            for sock in upstream:
                deafen(sock)
            begin = loop.time()
            await http.post(f"/send/{session}", json=2)
            await http.post(f"/send/{session}", json=3)
            assert (await waiting).data == "2", transport.name
            assert loop.time() - begin < HEARTBEAT + OPTIONS.grace + 5, transport.name
            assert (await anext(stream)).data == "3", transport.name
            assert stream.reconnects == 1
            await until(lambda: server_ends(upstream) == 0, GONE_WITHIN, f"the server's end of {transport.name}")
        async with asyncio.timeout(GONE_WITHIN):
            while (await http.get(f"/sessions/{session}")).json()["readers"]:
                await asyncio.sleep(0.02)


async def test_silent_readers_of_a_silent_stream_are_gone_from_the_server() -> None:
    """Also where the server has nothing to send: a poll that waits, and bare text, which has no pings."""
    asking = {
        name: request(lane, "{}", "wait=60" if lane.wire == LONG_POLL else "") for name, lane in TRANSPORTS.items()
    }
    asking["text"] = request(TRANSPORTS["ndjson"], "{}").replace(b"\r\n\r\n", b"\r\nAccept: text/plain\r\n\r\n")
    with serve_process(*ARGUMENTS) as (url, process), ExitStack() as opened:
        async with asyncio.timeout(20), httpx.AsyncClient(base_url=url) as http:
            session = (await http.post("/start", json={"producer": "echo"})).json()["session_id"]
            files = open_files(process)
            socks = {
                name: opened.enter_context(connect(url, data.replace(b"{}", session.encode())))
                for name, data in asking.items()
            }
            while (await http.get(f"/sessions/{session}")).json()["readers"] != len(socks):
                await asyncio.sleep(0.02)
            for sock in socks.values():
                deafen(sock)
            for name, sock in socks.items():
                await until(partial(gone_from_kernel, sock), GONE_WITHIN, f"the server's end of {name}")
            await until(lambda: open_files(process) == files, 1, "the server has closed its files")
            assert (await http.get(f"/sessions/{session}")).json()["readers"] == 0
