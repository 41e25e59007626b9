"""What answers say of themselves, on every lane, under whatever stands around the app."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from streamlanes.contract.serving import serving
from streamlanes.contract.sources import sources
from streamlanes.producers.wire import LONG_POLL, WEBSOCKET
from streamlanes.transports import SharedStream, StreamService, create_app, discover, mount
from streamlanes.transports.accept import is_event_source, prefers
from tests.guarantees.wires import connected, get
from tests.serving import serving_app

LANES = {name: lane for name, lane in discover().items() if lane.wire != WEBSOCKET}


def service() -> StreamService:
    """One with a stream that has ended, and one that brings an event and then nothing."""
    shared = [
        SharedStream(name="ended", producer="ticker", params={"count": 3, "arrivals": "at-once"}),
        SharedStream(name="quiet", producer="ticker", params={"count": 2, "rate": 0.001, "arrivals": "constant"}),
    ]
    return StreamService(producers=sources(), shared=shared)


@pytest.fixture(scope="module", params=["1.1", "1.0"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def fields(url: str, request: bytes) -> list[str]:
    """Ask, and return the lines of the answer's head."""
    async with asyncio.timeout(10), connected(url, request) as (reader, _):
        return (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")[1:]


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("connection", ["close", "keep-alive", None])
async def test_fields_of_the_connection_are_the_servers(lane: str, connection: str | None, version: str) -> None:
    head = f"GET /{lane}/ended HTTP/{version}\r\nHost: localhost\r\n"
    head += f"Connection: {connection}\r\n" if connection else ""
    async with serving(service()) as url:
        found = [line.lower() for line in await fields(url, f"{head}\r\n".encode())]
    said = [line for line in found if line.startswith(("connection:", "keep-alive:"))]
    assert said == (["connection: close"] if connection == "close" or version == "1.0" else [])
    assert Counter(line.partition(":")[0] for line in found).most_common(1)[0][1] == 1
    assert "cache-control: no-store" in found
    streaming = LANES[lane].wire != LONG_POLL
    assert ("incremental: ?1" in found) is streaming


@pytest.mark.parametrize("lane", LANES)
async def test_nothing_is_compressed_or_held_back(lane: str) -> None:
    """An event of a stream that then is quiet comes at once, as it is, through a middleware that compresses."""
    app = FastAPI()
    mount(app, "/streams", service())
    app.add_middleware(GZipMiddleware, minimum_size=10)
    headers = "Accept-Encoding: gzip, deflate, br\r\n"
    async with serving_app(app) as url, asyncio.timeout(10):
        async with connected(url, get(f"/streams/{lane}/ended", headers)) as (reader, _):
            assert b'"n":3' in await reader.readuntil(b'"n":3')
        if LANES[lane].wire != LONG_POLL:
            async with connected(url, get(f"/streams/{lane}/quiet", headers)) as (reader, _):
                head = await reader.readuntil(b"\r\n\r\n")
                assert b"content-encoding: identity\r\n" in head
                await reader.readuntil(b'"n":1')
        plain = await fields(url, get(f"/streams/{lane}/ended"))
        assert not [line for line in plain if line.startswith("content-encoding")]


@pytest.mark.parametrize(
    ("field", "only"),
    [
        ("text/event-stream", True), ("Text/Event-Stream", True), ("text/event-stream;q=1", True),
        ("text/event-stream, */*", False), ("text/event-stream, application/problem+json", False), ("", False),
        ("*/*", False), ("text/event-streams", False),
    ],
)  # fmt: skip
async def test_an_event_source_is_known_by_what_it_accepts(field: str, *, only: bool) -> None:
    assert is_event_source(field) is only
    async with serving(service()) as url, httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{url}/sse/ended?after=other:1", headers={"Accept": field})
        assert answer.status_code == (200 if only else 410)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("text/plain", True), ("Text/Plain", True), ("text/plain;charset=utf-8", True),
        ("text/plain , */*;q=0.1", True),
        ("text/plain;q=0.5, application/x-ndjson;q=0.4", True), ("text/plain, application/x-ndjson", True),
        ("application/x-ndjson, text/plain", False), ("application/x-ndjson, text/plain;q=0.9", False),
        ("text/plain;q=0", False), ("*/*", False), ("", False), ("text/plainer", False),
    ],
)  # fmt: skip
async def test_text_is_for_who_asks_for_it(field: str, *, text: bool) -> None:
    assert prefers(field, "text/plain", "application/x-ndjson") is text
    async with serving(service()) as url, httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{url}/ndjson/ended", headers={"Accept": field})
        assert answer.headers["content-type"].startswith("text/plain") is text


async def test_a_websocket_that_comes_without_upgrade_is_told_what_it_needs() -> None:
    running = service()
    async with serving(running) as url, httpx.AsyncClient(base_url=url, trust_env=False) as http:
        answer = await http.get("/ws/ended")
        assert answer.status_code == 426
        assert (answer.headers["upgrade"], answer.headers["content-type"]) == ("websocket", "application/problem+json")
        assert "proxy" not in answer.json()["detail"]
        answer = await http.get("/ws/ended", headers={"Sec-WebSocket-Key": "x", "Sec-WebSocket-Version": "13"})
        assert answer.status_code == 426
        assert "a proxy in between took it away" in answer.json()["detail"]
        assert "proxy_set_header Upgrade" in answer.json()["detail"]
        assert (
            'streamlanes_readers_dropped_total{lane="ws",reason="no upgrade"} 2.0' in (await http.get("/metrics")).text
        )
    assert running.metrics.lane("ws").opened == 0


@pytest.fixture
async def without_lifespan() -> AsyncIterator[str]:
    """An app whose lifespan nobody runs: of a service that is mounted by hand, or under `--lifespan off`."""
    outer = FastAPI()
    outer.mount("/streams", create_app(service()))
    async with serving_app(outer) as url:
        yield f"{url}/streams"


async def test_a_service_that_does_not_run_says_so_once_and_is_worth_coming_back_to(
    without_lifespan: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with httpx.AsyncClient(trust_env=False) as http:
        for lane in LANES:
            answer = await http.get(f"{without_lifespan}/{lane}/ended")
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) >= 1
            assert "isn't running" in answer.json()["detail"]
        assert (await http.post(f"{without_lifespan}/start", json={"producer": "ticker"})).status_code == 503
        assert (await http.get(f"{without_lifespan}/healthz")).status_code == 503
    async with connect(without_lifespan.replace("http", "ws") + "/ws/ended") as websocket:
        with pytest.raises(ConnectionClosed) as closed:
            await websocket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
    told = [record for record in caplog.records if "isn't running" in record.getMessage()]
    assert [record.levelname for record in told] == ["ERROR"]
    assert "lifespan" in told[0].getMessage()
