"""From client to producer: what is taken, what isn't and why, and that what is taken comes in order."""

from __future__ import annotations

import asyncio
import json
import time
import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect

from streamlanes import clients
from streamlanes.clients import Options
from streamlanes.contract.serving import serving
from streamlanes.contract.sources import NoParams, sources
from streamlanes.producers.errors import InvalidItem, MessageTooLarge
from streamlanes.producers.events import JSON, Item, encode_json
from streamlanes.producers.inbox import parse_json
from streamlanes.producers.producer import Context, Producer
from streamlanes.transports import Settings, SharedStream, StreamService, Transport, baselines, discover
from tests.guarantees.wires import served, start
from tests.strategies import JSON_VALUES

SMALL = Settings(max_inbox=3, max_message_bytes=100)


async def deaf(_: NoParams, __: Context) -> AsyncGenerator[Item, None]:
    """A producer that never looks into its inbox."""
    yield Item("here")
    await asyncio.Event().wait()


def service(settings: Settings = SMALL) -> StreamService:
    return StreamService(
        producers={**sources(), "deaf": Producer("deaf", NoParams, deaf)},
        shared=[SharedStream(name="shared", producer="silent")],
        settings=settings,
    )


async def test_what_is_posted_comes_back_in_order_on_every_lane(transport: Transport) -> None:
    messages = [0, "line\nbreak", {"a": [None, 1.5]}, "\ud800", "é🙂", *range(50)]
    async with served(service(Settings())) as (url, http):
        session = await start(http, "echo", count=len(messages))
        client = clients.discover()[transport.wire]
        async with client.connect(f"{url}/{transport.name}/{session}", options=Options(attempts=1)) as stream:
            for message in messages:
                sent = time.monotonic()
                answer = await http.post(f"/send/{session}", content=json.dumps(message))
                assert (answer.status_code, answer.content) == (202, b"")
                async with asyncio.timeout(5):
                    assert json.loads((await anext(stream)).data) == message
                assert time.monotonic() - sent < 2
            assert await anext(stream, None) is None
        over = await http.post(f"/send/{session}", json=1)
        assert (over.status_code, over.headers["content-type"]) == (409, "application/problem+json")


BODIES = {
    b"": 422, b"{": 422, b"NaN": 422, b"[Infinity]": 422, b"-1e999": 422, b"1" * 5000: 413,
    b'"' + b"x" * 99 + b'"': 413,
    b'"' + b"x" * 98 + b'"': 202, b"\xff": 422, '"a"'.encode("utf-16"): 422, b"[" * 100: 422, b"null": 202,
    b'"\xed\xa0\x80"': 422, b" 1 ": 202,
}  # fmt: skip


@pytest.mark.parametrize(("body", "status"), BODIES.items())
async def test_each_body_has_its_status(body: bytes, status: int) -> None:
    async with served(service()) as (_, http):
        session = await start(http, "echo")
        answer = await http.post(f"/send/{session}", content=body)
        assert answer.status_code == status
        if status != 202:
            assert answer.json()["status"] == status
            assert (await http.get(f"/poll/{session}?wait=0")).json()["events"] == []
        assert (await http.post(f"/send/{session}", content=b'"still there"')).status_code == 202


async def test_a_full_inbox_is_told_and_what_was_taken_is_kept() -> None:
    running = service()
    async with served(running) as (url, http):
        session = await start(http, "deaf")
        answers = [await http.post(f"/send/{session}", json=n) for n in range(5)]
        assert [answer.status_code for answer in answers] == [202, 202, 202, 429, 429]
        assert answers[-1].headers["retry-after"] == "1"
        async with connect(f"{url.replace('http', 'ws')}/ws/{session}") as websocket:
            await websocket.send("5")
            assert "hasn't taken" in await refusal(websocket)
        inbox = running.sessions[session].inbox
        assert [await inbox.get() for _ in range(3)] == [0, 1, 2]
        assert (await http.post(f"/send/{session}", json=6)).status_code == 202


async def test_an_ended_session_keeps_no_messages() -> None:
    """16 MB of them by default, and several times that as Python's objects, for as long as the session is kept."""
    running = service(Settings(max_inbox=100))
    async with served(running) as (_, http):
        session = running.sessions[await start(http, "silent")]
        tracemalloc.start()
        try:
            held, _ = tracemalloc.get_traced_memory()
            for _ in range(100):
                running.send(session.id, parse_json(json.dumps("x" * 10_000), 20_000))
            await running._stop(session)
            now, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert now - held < 500_000
        assert (await http.post(f"/send/{session.id}", json=1)).status_code == 409


async def test_only_a_sessions_own_id_reaches_it() -> None:
    async with served(service()) as (_, http):
        for name in ("shared", "nothing"):
            assert (await http.post(f"/send/{name}", json=1)).status_code == 404
        session = await start(http, "echo")
        await http.delete(f"/sessions/{session}")
        assert (await http.post(f"/send/{session}", json=1)).status_code == 404


async def refusal(websocket: ClientConnection) -> str:
    """The reason in the next control message `refused`; other messages may come before it."""
    async with asyncio.timeout(5):
        while True:
            message = json.loads(await websocket.recv())
            if message.get("control") == "refused":
                assert set(message) == {"control", "reason"}
                return str(message["reason"])


async def test_a_websocket_refuses_what_it_does_not_take_and_goes_on() -> None:
    async with served(service()) as (url, http):
        ws = url.replace("http", "ws")
        session = await start(http, "echo")
        async with connect(f"{ws}/ws/{session}") as websocket:
            bad: list[tuple[str | bytes, str]] = [
                (b"1", "text frame"), ("", "JSON"), ("NaN", "JSON"), ("1e999", "JSON"), ("{", "JSON"),
                ('"' + "x" * 99 + '"', "100 bytes"), ('"' + "é" * 50 + '"', "100 bytes"), ("[" * 90, "JSON"),
            ]  # fmt: skip
            for n, (frame, reason) in enumerate(bad):
                await websocket.send(frame)
                assert reason in await refusal(websocket)
                await websocket.send(str(n))
                async with asyncio.timeout(5):
                    assert json.loads(await websocket.recv())["data"] == n
        async with connect(f"{ws}/ws/shared") as websocket:
            await websocket.send("1")
            assert "shared stream" in await refusal(websocket)


async def test_frames_are_echoed_in_order() -> None:
    async with served(service(Settings())) as (url, http):
        session = await start(http, "echo", count=200)
        async with connect(f"{url.replace('http', 'ws')}/ws/{session}") as websocket:
            for n in range(200):
                await websocket.send([str(n)[:1], str(n)[1:]] if n > 9 else str(n))  # in fragments too
            read = [json.loads(text) async for text in websocket]
        assert [message["data"] for message in read if "data" in message] == list(range(200))
        assert [message.get("control") for message in read if "control" in message] == ["open", "end"]


async def test_a_websocket_is_read_from_whatever_its_producer_does() -> None:
    """So a ping is answered, and a close at once, behind any number of messages that nobody takes."""
    running = service()
    async with served(running) as (url, http):
        session = await start(http, "deaf")
        async with connect(f"{url.replace('http', 'ws')}/ws/{session}", max_queue=None) as websocket:
            for n in range(500):
                await websocket.send(str(n))
            async with asyncio.timeout(5):
                await (await websocket.ping())
                for _ in range(497):
                    await refusal(websocket)
                await websocket.close()
        assert websocket.close_code == 1000


@given(JSON_VALUES)
def test_what_is_taken_can_be_sent_on(value: JSON) -> None:
    text = json.dumps(value)
    assert encode_json(parse_json(text, 10_000)) == encode_json(parse_json(text.encode(), 10_000))


@given(st.binary(max_size=40) | st.text(max_size=40))
def test_whatever_else_comes_is_refused(junk: bytes | str) -> None:
    value: JSON = None
    with suppress(InvalidItem, MessageTooLarge):
        value = parse_json(junk, 30)
    encode_json(value)


@pytest.mark.parametrize("depth", [10, 500, 900, 1500, 5000, 30_000])
def test_depth_is_no_trap(depth: int) -> None:
    """Reading can bear more of it than writing: what was taken must not end an echo as failed."""
    value: JSON = None
    with suppress(InvalidItem):
        value = parse_json("[" * depth + "]" * depth, 100_000)
    encode_json(value)


@pytest.mark.parametrize("lane", ["ws", "ws-usual"])
async def test_compression_is_not_negotiated(lane: str) -> None:
    """Off on every lane, also for a client that offers it, as browsers do."""
    transports = {**discover(), **baselines.discover()}
    service = StreamService()
    async with asyncio.timeout(20), serving(service, [*transports.values()]) as url:
        session = (await service.start("ticker", {"count": 1})).id
        address = f"{url.replace('http', 'ws', 1)}/{lane}/{session}"
        async with connect(address, compression="deflate", proxy=None) as connection:
            assert connection.request is not None
            assert connection.response is not None
            assert "permessage-deflate" in connection.request.headers["Sec-WebSocket-Extensions"]
            assert "Sec-WebSocket-Extensions" not in connection.response.headers
