"""A session lives for as long as it is read, and its time-to-live more; its producer for as long as it was asked to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

import httpx
import pytest

from streamlanes import clients
from streamlanes.clients import Options
from streamlanes.contract.serving import serving
from streamlanes.contract.sources import Fed, NoParams, sources
from streamlanes.producers.errors import Refused, StreamFailed, UnknownStream
from streamlanes.producers.events import After, Item, Outcome
from streamlanes.producers.log.memory import TOMBSTONE_SECONDS, MemoryLog
from streamlanes.producers.producer import Context, Producer
from streamlanes.transports import Settings, StreamService, Transport, discover
from streamlanes.transports.door.admission import POLL_PRESENCE
from tests.serving import reading

TRANSPORTS = discover()
TTL = 300.0
AT_ONCE = 5.0
"""Seconds; the sweep looks twice a second."""


class Clock:
    """A time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fed() -> Fed:
    return Fed()


@pytest.fixture
async def service(clock: Clock, fed: Fed) -> AsyncIterator[StreamService]:
    async with (
        asyncio.timeout(30),
        StreamService(
            producers=sources(fed), log=MemoryLog(clock=clock), settings=Settings(session_ttl=TTL), clock=clock
        ) as running,
    ):
        yield running


async def sweep(service: StreamService) -> None:
    """Have the service look after its sessions, as it does twice a second."""
    await service._upkeep.look_after_sessions()


async def outcome(service: StreamService, stream: str) -> Outcome | None:
    return (await service.read(stream, "now", limit=1, max_bytes=1, wait=0)).outcome


async def test_the_time_to_live_counts_from_the_last_readers_leaving(service: StreamService, clock: Clock) -> None:
    session = await service.start("silent", {})
    clock.now += TTL - 1
    with reading(service, session.id):
        with reading(service, session.id):
            clock.now += 10 * TTL
        clock.now += 10 * TTL
        await sweep(service)
    clock.now += TTL - 1
    await sweep(service)
    assert session.id in service.sessions
    clock.now += 1
    await sweep(service)
    assert session.id not in service.sessions


async def test_a_session_that_was_never_read_counts_from_its_creation(service: StreamService, clock: Clock) -> None:
    session = await service.start("silent", {})
    clock.now += TTL - 1
    await sweep(service)
    assert session.id in service.sessions
    clock.now += 1
    await sweep(service)
    assert session.id not in service.sessions


async def test_a_poll_is_present_for_a_while_after_its_last_answer(clock: Clock, fed: Fed) -> None:
    settings = Settings(session_ttl=TTL)
    service = StreamService(producers=sources(fed), log=MemoryLog(clock=clock), settings=settings, clock=clock)
    async with asyncio.timeout(20), serving(service) as url, httpx.AsyncClient(base_url=url, trust_env=False) as http:
        session = await service.start("silent", {}, stop_when_unread=5)
        assert (await http.get(f"/poll/{session.id}")).status_code == 200
        clock.now += POLL_PRESENCE + 4
        await sweep(service)
        assert await outcome(service, session.id) is None
        clock.now += 1
        await sweep(service)
        assert await outcome(service, session.id) is Outcome.ORPHANED
        clock.now += TTL - 6
        await sweep(service)
        assert session.id in service.sessions
        clock.now += 1
        await sweep(service)
        assert session.id not in service.sessions


async def test_a_producer_that_works_for_nobody_is_stopped_and_its_events_are_kept(
    service: StreamService, clock: Clock, fed: Fed
) -> None:
    session = await service.start("fed", {}, stop_when_unread=10)
    fed.queue.put_nowait("kept")
    with reading(service, session.id):
        await service.read(session.id, "start", limit=1, max_bytes=99, wait=AT_ONCE)
    clock.now += 9
    await sweep(service)
    assert session.running
    clock.now += 1
    await sweep(service)
    assert await outcome(service, session.id) is Outcome.ORPHANED
    assert session.task is not None
    await asyncio.wait([session.task], timeout=AT_ONCE)
    assert session.task.cancelled()
    batch = await service.read(session.id, "start", limit=10, max_bytes=99, wait=0)
    assert [event.data for event in batch.events] == ['"kept"']
    clock.now += TTL
    await sweep(service)
    clock.now += TOMBSTONE_SECONDS
    with pytest.raises(UnknownStream):
        await service.info(session.id)


async def test_a_producer_nobody_asked_to_stop_goes_on_and_so_does_one_that_was_never_read(
    service: StreamService, clock: Clock
) -> None:
    patient = await service.start("silent", {})
    unread = await service.start("silent", {}, stop_when_unread=1)
    with reading(service, patient.id):
        pass
    clock.now += TTL - 1
    await sweep(service)
    assert patient.running
    assert unread.running


@pytest.mark.parametrize("transport", TRANSPORTS.values(), ids=lambda transport: transport.name)
async def test_a_reader_that_leaves_stops_its_producer_on_every_lane(transport: Transport) -> None:
    service = StreamService(producers=sources())
    client = clients.discover()[transport.wire]
    if transport.name == "poll":
        pytest.skip("its reader is present for 30 s more; see above, with a clock of its own")
    async with asyncio.timeout(20), serving(service) as url, httpx.AsyncClient(base_url=url, trust_env=False) as http:
        body = {"producer": "silent", "stop_when_unread": 0}
        session = (await http.post("/start", json=body)).json()["session_id"]
        async with client.connect(f"{url}/{transport.name}/{session}", options=Options(attempts=1)) as stream:
            await anext(stream)
        while (state := (await http.get(f"/sessions/{session}")).json())["state"] == "running":
            await asyncio.sleep(0.02)
        assert state["state"] == "orphaned"


async def test_what_is_appended_after_the_last_client_left_is_counted(
    service: StreamService, clock: Clock, fed: Fed
) -> None:
    session = await service.start("fed", {})

    async def appended(count: int, after: After = "now") -> float:
        for n in range(count):
            fed.queue.put_nowait(n)
            await service.read(session.id, after, limit=1, max_bytes=99, wait=AT_ONCE)
        found = re.search(r"^streamlanes_events_appended_unread_total (.*)", exposed(service), re.MULTILINE)
        assert found is not None
        return float(found[1])

    assert await appended(2) == 0  # nobody has come yet
    with reading(service, session.id, lingering=30):
        assert await appended(3) == 0
    clock.now += 29  # a poll between two questions
    assert await appended(4) == 0
    clock.now += 1
    assert await appended(5) == 5
    with reading(service, session.id):
        assert await appended(1) == 5


def exposed(service: StreamService) -> str:
    return service.metrics.exposition().decode()


@pytest.mark.parametrize("transport", TRANSPORTS.values(), ids=lambda transport: transport.name)
async def test_a_failure_is_told_at_once_without_internals(transport: Transport) -> None:
    """Also one that awaited something which somebody else cancelled: that is no reason to keep readers waiting."""
    go = asyncio.Event()

    async def broken(_: NoParams, __: Context) -> AsyncGenerator[Item, None]:
        yield Item(1)
        await go.wait()
        raise asyncio.CancelledError("hunter2")

    service = StreamService(producers={"broken": Producer("broken", NoParams, broken)})
    client = clients.discover()[transport.wire]
    async with asyncio.timeout(AT_ONCE), serving(service) as url:
        session = await service.start("broken", {})
        async with client.connect(f"{url}/{transport.name}/{session.id}", options=Options(attempts=1)) as stream:
            assert (await anext(stream)).data == "1"
            waiting = asyncio.create_task(anext(stream))
            while not session.readers:
                await asyncio.sleep(0.01)
            go.set()
            with pytest.raises(StreamFailed) as told:
                await waiting
    assert "hunter2" not in str(told.value)


async def test_a_tombstone_tells_for_a_minute(service: StreamService, clock: Clock) -> None:
    session = await service.start("silent", {})
    await service.delete(session.id)
    clock.now += TOMBSTONE_SECONDS - 1
    assert await outcome(service, session.id) is Outcome.DELETED
    clock.now += 1
    with pytest.raises(UnknownStream):
        await outcome(service, session.id)


@pytest.mark.parametrize("goes_on", [False, True])
@pytest.mark.parametrize("end", ["abandoned", "deleted", "stopped"])
async def test_a_producer_that_does_not_stop_well_harms_no_other(end: str, goes_on: bool, clock: Clock) -> None:
    """Its stream's end has been told by then, its log may be gone, and nobody is left to be told of anything."""
    waits = asyncio.Event()

    async def bad(_: NoParams, __: Context) -> AsyncGenerator[Item, None]:
        try:
            waits.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not goes_on:
                raise RuntimeError("the cleaning up failed") from None
        yield Item(2)

    producers = {"bad": Producer("bad", NoParams, bad), **sources()}
    service = StreamService(producers=producers, settings=Settings(session_ttl=TTL), clock=clock)
    async with asyncio.timeout(AT_ONCE), service:
        other = await service.start("silent", {})
        session = await service.start("bad", {}, stop_when_unread=0)
        await waits.wait()
        with reading(service, other.id):
            if end == "deleted":
                await service.delete(session.id)
            elif end == "abandoned":
                clock.now += TTL
                await sweep(service)
            else:
                with reading(service, session.id):
                    pass
                await sweep(service)
            assert session.task is not None
            await asyncio.wait([session.task])
            await asyncio.sleep(0)  # in which a task group would learn of it
            service.check_running()
            assert other.running
            assert service.metrics.ended == {Outcome.ORPHANED if end == "stopped" else Outcome.DELETED: 1}


@pytest.mark.parametrize("end", ["drain", "close"])
async def test_a_session_that_begins_while_the_service_ends_is_refused_and_leaves_nothing(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a log that takes its time, such as a distributed one."""
    log = MemoryLog()
    create, creating, go = log.create, asyncio.Event(), asyncio.Event()

    async def slowly(*arguments: object) -> object:
        creating.set()
        await go.wait()
        return await create(*arguments)  # type: ignore[arg-type]

    service = StreamService(producers=sources(), log=log)
    async with asyncio.timeout(AT_ONCE):
        async with service:
            monkeypatch.setattr(log, "create", slowly)
            starting = asyncio.create_task(service.start("silent", {}))
            await creating.wait()
            ends: dict[str, Callable[[], Awaitable[None]]] = {"drain": service.drain, "close": service.close}
            await ends[end]()
            go.set()
            with pytest.raises(Refused) as told:
                await starting
            assert told.value.status == 503
            assert not service.sessions
        assert asyncio.all_tasks() == {asyncio.current_task()}
