"""What every lane promises, through its own client, over a real server."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import ConnectionClosed

from streamlanes.clients import Client, EventStream, Options
from streamlanes.contract.sources import AWKWARD, Fed
from streamlanes.producers.errors import CursorExpired, StreamFailed, StreamOrphaned, UnknownStream
from streamlanes.producers.events import After, Cursor, Event, Outcome, encode_json
from streamlanes.producers.log.event_log import Batch
from streamlanes.producers.producer import Context
from streamlanes.producers.wire import WEBSOCKET, WS_BAD_PARAMETERS
from streamlanes.transports import StreamService, Transport

pytestmark = pytest.mark.asyncio

AT_ONCE = 5.0
"""Seconds; far below a heartbeat, a poll's wait, and every time-out that could hide a reader that was not told."""


async def collect(stream: EventStream, count: int | None = None) -> list[Event]:
    found: list[Event] = []
    if count == 0:
        return found
    async for event in stream:
        found.append(event)
        if len(found) == count:
            break
    return found


async def read_all(
    client: Client, url: str, options: Options, after: After = "start"
) -> tuple[list[Event], EventStream]:
    async with asyncio.timeout(20), client.connect(url, after=after, options=options) as stream:
        return await collect(stream), stream


async def log_of(service: StreamService, stream: str) -> Batch:
    return await service.read(stream, "start", limit=10_000, max_bytes=10**9, wait=0)


async def until_reading(service: StreamService, stream: str, readers: int = 1) -> None:
    async with asyncio.timeout(10):
        while service.sessions[stream].readers != readers:
            await asyncio.sleep(0.005)


async def test_ids_order_types_and_data_are_the_logs(
    url: str, service: StreamService, transport: Transport, client: Client, options: Options
) -> None:
    session = await service.start("awkward", {})
    events, stream = await read_all(client, f"{url}/{transport.name}/{session.id}", options)
    assert [(event.type, event.data) for event in events] == [(item.type, encode_json(item.value)) for item in AWKWARD]
    assert tuple(events) == (await log_of(service, session.id)).events
    assert stream.outcome is Outcome.COMPLETED
    assert stream.cursor == Cursor(session.cursor.epoch, len(AWKWARD))
    assert stream.reconnects == 0


async def test_a_stream_is_read_while_it_grows(
    url: str, service: StreamService, transport: Transport, client: Client, options: Options
) -> None:
    session = await service.start("tokens", {"rate": 1000, "ttft": 0.01, "count": 200})
    events, _ = await read_all(client, f"{url}/{transport.name}/{session.id}", options)
    assert tuple(events) == (await log_of(service, session.id)).events
    assert len(events) == 200


async def test_an_event_comes_at_once_and_does_not_wait_for_company(
    url: str, service: StreamService, transport: Transport, client: Client, options: Options, fed: Fed
) -> None:
    session = await service.start("fed", {})
    async with (
        asyncio.timeout(AT_ONCE),
        client.connect(f"{url}/{transport.name}/{session.id}", options=options) as stream,
    ):
        for value in ("a", "b", "c"):
            fed.queue.put_nowait(value)
            assert (await anext(stream)).data == f'"{value}"'


async def test_a_reader_resumes_from_any_cursor(
    url: str, service: StreamService, transport: Transport, client: Client, options: Options
) -> None:
    log = await log_of(service, "ended")
    for offset in (0, 1, 257, 299, 300):
        after = Cursor(log.cursor.epoch, offset)
        events, stream = await read_all(client, f"{url}/{transport.name}/ended", options, after)
        assert tuple(events) == log.events[offset:], offset
        assert stream.cursor == log.cursor, offset


async def test_a_reader_that_leaves_anywhere_goes_on_where_it_was(
    url: str, service: StreamService, transport: Transport, client: Client, options: Options
) -> None:
    found: list[Event] = []
    after: After = "start"
    for count in (0, 1, 2, 75, 1, 150, None):
        async with client.connect(f"{url}/{transport.name}/ended", after=after, options=options) as stream:
            some = await collect(stream, count)
            found += some
            assert stream.cursor is not None
            after = stream.cursor._replace(offset=some[-1].offset) if some else stream.cursor
    assert tuple(found) == (await log_of(service, "ended")).events


async def test_now_is_what_comes_next(
    url: str, service: StreamService, transport: Transport, client: Client, options: Options, fed: Fed
) -> None:
    session = await service.start("fed", {})
    fed.queue.put_nowait("before")
    await service.read(session.id, "start", limit=1, max_bytes=99, wait=AT_ONCE)
    target = f"{url}/{transport.name}/{session.id}"
    async with asyncio.timeout(AT_ONCE), client.connect(target, after="now", options=options) as stream:
        assert stream.cursor == Cursor(session.cursor.epoch, 1)
        fed.queue.put_nowait("after")
        assert (await anext(stream)).data == '"after"'


@pytest.mark.parametrize("place", ["waiting", "late"])
async def test_the_end_reaches_a_reader_at_once(
    url: str, service: StreamService, transport: Transport, client: Client, options: Options, fed: Fed, place: str
) -> None:
    session = await service.start("fed", {})
    target = f"{url}/{transport.name}/{session.id}"
    fed.queue.put_nowait("only")
    if place == "late":
        fed.queue.put_nowait(None)
        while (await service.info(session.id)).outcome is None:
            await asyncio.sleep(0)
    async with asyncio.timeout(20), client.connect(target, options=options) as stream:
        assert (await anext(stream)).data == '"only"'
        begin = time.monotonic()
        fed.queue.put_nowait(None)
        assert await collect(stream) == []
        assert time.monotonic() - begin < AT_ONCE
    assert stream.outcome is Outcome.COMPLETED


async def test_a_failed_producer_is_told_at_once_after_its_events(
    url: str, service: StreamService, transport: Transport, client: Client, options: Options
) -> None:
    session = await service.start("failing", {})
    target = f"{url}/{transport.name}/{session.id}"
    async with asyncio.timeout(AT_ONCE), client.connect(target, options=options) as stream:
        assert [event.data for event in await collect(stream, 3)] == ["0", "1", "2"]
        with pytest.raises(StreamFailed) as told:
            await collect(stream)
    assert "hunter2" not in str(told.value)


async def test_deletion_is_told_to_waiting_and_to_late_readers(
    url: str, service: StreamService, transport: Transport, client: Client, options: Options
) -> None:
    session = await service.start("silent", {})
    target = f"{url}/{transport.name}/{session.id}"
    async with asyncio.timeout(AT_ONCE), client.connect(target, options=options) as stream:
        assert len(await collect(stream, 3)) == 3
        async with asyncio.TaskGroup() as tasks:
            rest = tasks.create_task(collect(stream))
            await until_reading(service, session.id)
            await service.delete(session.id)
        assert rest.result() == []
        assert stream.outcome is Outcome.DELETED
    events, late = await read_all(client, target, options)
    assert (events, late.outcome) == ([], Outcome.DELETED)


async def test_a_producers_process_that_goes_away_is_told(
    url: str, service: StreamService, transport: Transport, client: Client, options: Options
) -> None:
    session = await service.start("silent", {})
    target = f"{url}/{transport.name}/{session.id}"
    async with asyncio.timeout(AT_ONCE), client.connect(target, options=options) as stream:
        await collect(stream, 3)
        await service.close()
        with pytest.raises(StreamOrphaned):
            await collect(stream)


async def test_an_unknown_stream_is_told(url: str, transport: Transport, client: Client, options: Options) -> None:
    with pytest.raises(UnknownStream):
        await read_all(client, f"{url}/{transport.name}/nothing", options)


@pytest.mark.parametrize("cursor", ["foreign", "ahead", "behind"])
async def test_a_cursor_that_cannot_be_continued_is_told_before_the_first_event(
    url: str,
    service: StreamService,
    transport: Transport,
    client: Client,
    options: Options,
    fed: Fed,
    cursor: str,
) -> None:
    session = await service.start("fed", {})
    for n in range(1200):  # of which retention keeps 1,000
        fed.queue.put_nowait(n)
    fed.queue.put_nowait(None)
    while (await service.info(session.id)).outcome is None:
        await asyncio.sleep(0)
    epoch = session.cursor.epoch
    after = {"foreign": Cursor("other", 300), "ahead": Cursor(epoch, 1201), "behind": Cursor(epoch, 150)}[cursor]
    with pytest.raises(CursorExpired) as told:
        await read_all(client, f"{url}/{transport.name}/{session.id}", options, after)
    assert (told.value.after, told.value.oldest, told.value.head) == (after, Cursor(epoch, 200), Cursor(epoch, 1200))
    assert told.value.missing == (50 if cursor == "behind" else None)


async def test_a_reader_that_falls_off_the_tail_is_told_what_is_missing(
    url: str, service: StreamService, transport: Transport, client: Client, options: Options, fed: Fed
) -> None:
    session = await service.start("fed", {})
    target = f"{url}/{transport.name}/{session.id}"
    async with asyncio.timeout(AT_ONCE), client.connect(target, options=options) as stream:
        fed.queue.put_nowait("first")
        await anext(stream)
        await until_reading(service, session.id, 0 if transport.wire == "long-poll" else 1)
        items = [
            item
            async for item in service.producers["ticker"].start(
                {"count": 1500, "arrivals": "at-once"}, Context(start_ns=0)
            )
        ]
        await service._log.append(session.id, items)  # more at once than retention keeps
        with pytest.raises(CursorExpired) as told:
            await anext(stream)
        assert (told.value.after.offset, told.value.oldest.offset, told.value.missing) == (1, 501, 500)
        assert stream.cursor == Cursor(session.cursor.epoch, 1)
        assert stream.reconnects == 0


async def test_a_bad_cursor_is_refused(url: str, transport: Transport) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        for after in ("x", "", "k3f9a2", "k3f9a2:-1", "K:1", "end", "%F0%9F%98%80" * 40, "%00" * 40):
            target = f"{url}/{transport.name}/ended?after={after}"
            if transport.wire == WEBSOCKET:
                async with connect_websocket(target.replace("http", "ws", 1)) as websocket:
                    with pytest.raises(ConnectionClosed) as closed:
                        await websocket.recv()
                assert closed.value.rcvd is not None, after
                assert closed.value.rcvd.code == WS_BAD_PARAMETERS, after
            else:
                response = await http.get(target)
                assert response.status_code == 422, after
                assert response.json()["errors"][0]["field"] == "after"


async def test_many_readers_of_a_shared_stream_all_get_all_of_it(
    url: str, service: StreamService, transport: Transport, client: Client, options: Options, fed: Fed
) -> None:
    session = await service.start("fed", {})
    target = f"{url}/{transport.name}/{session.id}"

    async def read() -> list[Event]:
        async with client.connect(target, options=options) as stream:
            return await collect(stream)

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        readers = [tasks.create_task(read()) for _ in range(50)]
        await until_reading(service, session.id, 50)
        for n in range(10):
            fed.queue.put_nowait(n)
        fed.queue.put_nowait(None)
    expected = list((await log_of(service, session.id)).events)
    assert len(expected) == 10
    assert all(reader.result() == expected for reader in readers)


async def test_a_reader_that_leaves_is_gone_from_the_server(
    url: str, service: StreamService, transport: Transport, client: Client, options: Options
) -> None:
    session = await service.start("silent", {})
    target = f"{url}/{transport.name}/{session.id}"
    async with client.connect(target, options=options) as stream, asyncio.TaskGroup() as tasks:
        await collect(stream, 3)
        waiting = tasks.create_task(collect(stream))
        await until_reading(service, session.id)
        waiting.cancel()
    await until_reading(service, session.id, 0)


async def test_a_start_on_the_wire_can_be_read_by_its_link(
    url: str, transport: Transport, client: Client, options: Options
) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        started = (await http.post(f"{url}/start", json={"producer": "ticker", "params": {"count": 2}})).json()
    events, _ = await read_all(client, f"{url}{started['links'][transport.name]}", options)
    assert [event.offset for event in events] == [1, 2]
