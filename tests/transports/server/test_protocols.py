"""What our server's connections do once an app has handed them over, as bare sockets see it."""

from __future__ import annotations

import asyncio
import logging
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from streamlanes.contract.serving import serving
from streamlanes.contract.sources import Fed, sources
from streamlanes.contract.ways import as_it_is, under_uvicorn
from streamlanes.producers.events import Item
from streamlanes.producers.log.event_log import Batch
from streamlanes.transports import SharedStream, StreamService
from streamlanes.transports.framing import poll_body
from streamlanes.transports.service.settings import Settings
from tests.guarantees.wires import UPGRADE, connected, frame, get, reply, rest, status_of, until


@pytest.fixture
def fed() -> Fed:
    return Fed()


@pytest.fixture
def service(fed: Fed) -> StreamService:
    shared = [SharedStream(name="a", producer="fed"), SharedStream(name="still", producer="silent")]
    return StreamService(producers=sources(fed), shared=shared, settings=Settings(drain=0))


@pytest.fixture
async def url(service: StreamService) -> AsyncIterator[str]:
    async with asyncio.timeout(30), serving(service) as base:
        yield base


def readers(service: StreamService) -> int:
    return sum(session.readers for session in service.sessions.values())


async def test_what_is_asked_behind_a_stream_is_answered_behind_it(url: str, service: StreamService, fed: Fed) -> None:
    async with connected(url, get("/sse/a") + get("/poll/still?wait=0") + get("/ndjson/a")) as (reader, _):
        assert await status_of(reader) == 200
        fed.queue.put_nowait("hello")
        await reader.readuntil(b"hello")
        assert readers(service) == 1
        fed.queue.put_nowait(None)
        await reader.readuntil(b"0\r\n\r\n")
        assert (await reply(reader))[0] == 200
        assert await status_of(reader) == 200
        assert await reader.readuntil(b"0\r\n\r\n")
        assert readers(service) == 0


async def test_polls_that_come_together_are_answered_in_their_order(url: str, service: StreamService, fed: Fed) -> None:
    epoch = service.sessions["a"].cursor.epoch
    asked = [get(f"/poll/a?after={epoch}:{n}&wait=30&limit=1") for n in range(3)]
    async with connected(url, *asked) as (reader, _):
        await until(lambda: readers(service) == 1)
        for value in ("one", "two", "three"):
            fed.queue.put_nowait(value)
        bodies = [(await reply(reader))[2] for _ in asked]
        assert [body.split(b'"data":')[1].split(b"}")[0] for body in bodies] == [b'"one"', b'"two"', b'"three"']
        assert readers(service) == 0


@pytest.mark.parametrize("lane", ["sse", "ndjson", "poll"])
@pytest.mark.parametrize("way", ["direct", "uvicorn"])
async def test_who_asks_for_more_and_leaves_is_gone_all_the_same(service: StreamService, lane: str, way: str) -> None:
    """Uvicorn tells only the last of several requests that its client has gone: the first would stay for ever."""
    wait = "?wait=60" if lane == "poll" else ""
    service.settings = service.settings.model_copy(update={"max_poll_wait": 60.0})
    around = under_uvicorn if way == "uvicorn" else as_it_is
    async with asyncio.timeout(30), serving(service, around=around) as url:
        async with connected(url, get(f"/{lane}/a{wait}") + get("/healthz")):
            await until(lambda: readers(service) == 1)
        await until(lambda: readers(service) == 0 and not service.connections)


async def test_half_a_request_behind_a_stream_does_not_disturb_it(
    url: str, fed: Fed, monkeypatch: pytest.MonkeyPatch, service: StreamService
) -> None:
    monkeypatch.setattr("streamlanes.transports.server.httptools_protocol.HEAD_SECONDS", 0.2)
    async with connected(url, get("/sse/a") + b"GET /sse/a HTTP/1.1\r\nHost: loc") as (reader, _):
        fed.queue.put_nowait("hello")
        await reader.readuntil(b"hello")
        await rest(reader)  # until its time is over
    await until(lambda: readers(service) == 0 and not service.connections)


async def test_nonsense_behind_a_stream_ends_both(url: str, service: StreamService, fed: Fed) -> None:
    async with connected(url, get("/sse/a")) as (reader, writer):
        await reader.readuntil(b"stream-open")
        writer.write(b"\0\0\0 nonsense\r\n\r\n")
        await rest(reader)
    await until(lambda: readers(service) == 0 and not service.connections)
    fed.queue.put_nowait("nobody is there")


@pytest.mark.parametrize("lane", ["sse", "ndjson"])
async def test_a_client_of_the_old_protocol_gets_its_stream_and_the_close(
    url: str, service: StreamService, fed: Fed, lane: str
) -> None:
    async with connected(url, get(f"/{lane}/a", version="1.0")) as (reader, _):
        fed.queue.put_nowait("hello")
        fed.queue.put_nowait(None)
        assert b"hello" in await rest(reader)
    await until(lambda: not service.connections)


async def test_a_poll_that_wants_its_connection_closed_has_it_closed(
    url: str, service: StreamService, fed: Fed
) -> None:
    async with connected(url, get("/poll/a?wait=30", "Connection: close\r\n")) as (reader, _):
        await until(lambda: readers(service) == 1)
        fed.queue.put_nowait("hello")
        status, headers, body = await reply(reader)
        assert (status, headers["connection"]) == (200, "close")
        assert b"hello" in body
        assert await rest(reader) == b""


async def test_a_poll_that_waits_learns_that_its_stream_is_gone(service: StreamService, url: str) -> None:
    session = await service.start("fed", {})
    async with connected(url, get(f"/poll/{session.id}?wait=30")) as (reader, _):
        await until(lambda: session.readers == 1)
        await service.delete(session.id)
        status, _, body = await reply(reader)
        assert (status, b'"outcome":"deleted"' in body) == (200, True)


@pytest.mark.parametrize(("after", "status"), [("cursor", 410), ("start", 200)])
async def test_a_poll_that_waits_while_its_stream_is_made_anew(
    service: StreamService, url: str, after: str, status: int
) -> None:
    """Who named a place is told that it is gone; who asked for any goes on in the new one."""
    session = await service.start("fed", {})
    place = str(session.cursor) if after == "cursor" else after
    async with connected(url, get(f"/poll/{session.id}?wait=30&after={place}")) as (reader, _):
        await until(lambda: session.readers == 1)
        many = service.settings.retain_events + 10
        await service.append(session.id, [Item(n) for n in range(many)])
        got, headers, body = await reply(reader)
        assert got == status
        assert headers["content-type"] == ("application/problem+json" if status == 410 else "application/json")
        assert (b'"missing":10' in body) == (status == 410)


async def test_all_that_wait_at_one_place_get_the_same_bytes_made_once(
    url: str, service: StreamService, fed: Fed, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Batch] = []

    def counting(events: bytes, batch: Batch) -> bytes:
        made.append(batch)
        return poll_body(events, batch)

    monkeypatch.setattr("streamlanes.transports.poll.poll_body", counting)
    async with asyncio.TaskGroup() as group:

        async def one() -> bytes:
            async with connected(url, get("/poll/a?wait=30")) as (reader, _):
                return (await reply(reader))[2]

        asking = [group.create_task(one()) for _ in range(50)]
        await until(lambda: readers(service) == 50)
        fed.queue.put_nowait("hello")
    assert len({task.result() for task in asking}) == 1
    assert len(made) == 1


async def test_a_websocket_answers_its_readers_messages_while_it_streams(url: str, service: StreamService) -> None:
    async with connected(url, get("/ws/a", UPGRADE)) as (reader, writer):
        assert await status_of(reader) == 101
        writer.write(frame(1, b'"up"') + frame(9, b"ping"))
        assert b"refused" in await reader.readuntil(b"refused")  # a shared stream takes nothing
        await reader.readuntil(b"\x8a\x04ping")
        writer.write(frame(8, (1000).to_bytes(2)))
        assert b"\x88\x02\x03\xe8" in await rest(reader)
    await until(lambda: readers(service) == 0 and not service.connections)


@pytest.mark.parametrize("target", ["/sse/still", "/ndjson/still", "/poll/a?wait=30"])
async def test_no_websocket_begins_behind_an_answer_that_is_not_done(
    url: str, service: StreamService, fed: Fed, target: str
) -> None:
    async with connected(url, get("/poll/a?wait=30")) as (other, _):
        async with connected(url, get(target)) as (reader, writer):
            await until(lambda: readers(service) == 2)
            writer.write(get("/ws/a", UPGRADE))
            assert b"101" not in await rest(reader)
        await until(lambda: readers(service) == 1 and len(service.connections) == 1)
        fed.queue.put_nowait("hello")
        assert (await reply(other))[0] == 200


@pytest.mark.parametrize("cut", [8, 30, -3])
@pytest.mark.parametrize("target", ["/sse/a", "/poll/a?wait=30"])
async def test_the_next_request_may_come_in_pieces(
    url: str, service: StreamService, fed: Fed, cut: int, target: str
) -> None:
    following = get("/healthz", "X-Something: or other\r\n")
    async with connected(url, get(target) + following[:cut]) as (reader, writer):
        await until(lambda: readers(service) == 1)
        fed.queue.put_nowait("hello")
        fed.queue.put_nowait(None)
        await reader.readuntil(b"hello")
        writer.write(following[cut:])
        if target.startswith("/sse"):
            await reader.readuntil(b"0\r\n\r\n")
        else:
            await reader.readuntil(b"}")
            await reader.readuntil(b"}")
        status, _, body = await reply(reader)
        assert (status, b'"status":"ok"' in body) == (200, True)


async def test_the_body_of_a_further_request_is_not_kept(url: str, service: StreamService) -> None:
    head = b"POST /start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n"
    async with connected(url, get("/sse/still") + head) as (_, writer):
        await until(lambda: readers(service) == 1)
        tracemalloc.start()
        try:
            for _ in range(100):
                writer.write(b"x" * (1 << 16))
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await writer.drain()  # until nobody takes any more
            held = sum(
                trace.size
                for trace in tracemalloc.take_snapshot().traces
                if any("httptools_impl" in frame.filename for frame in trace.traceback)
            )
        finally:
            tracemalloc.stop()
        assert held < 1 << 20


async def test_what_is_wrong_behind_an_answer_does_not_get_into_it(url: str, fed: Fed) -> None:
    async with connected(url, get("/sse/a")) as (reader, writer):
        fed.queue.put_nowait("hello")
        await reader.readuntil(b"hello")
        writer.write(b"\0\0\0 nonsense\r\n\r\n")
        assert b"400" not in await rest(reader)


async def test_a_websocket_handshake_at_a_polls_address_is_refused(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with connected(url, get("/poll/a", UPGRADE)) as (reader, _):
        assert await status_of(reader) == 403
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
