from __future__ import annotations

import asyncio
import gc
import shutil
import weakref
from pathlib import Path

import pytest
from pydantic import ValidationError

from streamlanes.contract.sources import Fed, sources
from streamlanes.producers.errors import UnknownStream
from streamlanes.producers.events import Outcome
from streamlanes.producers.log.event_log import Batch
from streamlanes.producers.log.memory import MemoryLog
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.service.sessions import SharedStream
from streamlanes.transports.service.settings import Settings
from tests.serving import reading


async def read(service: StreamService, stream: str, wait: float = 5) -> Batch:
    """Read to the end, or until nothing comes."""
    events: list[object] = []
    batch = await service.read(stream, "start", limit=100, max_bytes=10**6, wait=wait)
    while batch.events and batch.outcome is None:
        events += batch.events
        batch = await service.read(stream, batch.cursor, limit=100, max_bytes=10**6, wait=wait)
    return batch


async def gone(service: StreamService, session_id: str) -> None:
    async with asyncio.timeout(10):
        while session_id in service.sessions:
            await asyncio.sleep(0.01)


async def test_a_session_runs_to_its_end() -> None:
    async with StreamService() as service:
        session = await service.start("ticker", {"count": 3, "rate": 1000})
        batch = await read(service, session.id)
        assert (batch.outcome, batch.cursor.offset) == (Outcome.COMPLETED, 3)


async def test_session_ids_are_long_and_all_different() -> None:
    async with StreamService() as service:
        ids = {(await service.start("ticker", {"count": 1})).id for _ in range(100)}
    assert len(ids) == 100
    assert all(len(identity) >= 22 for identity in ids)  # 128 bits in base64


async def test_a_failed_producer_ends_its_stream_as_failed(caplog: pytest.LogCaptureFixture) -> None:
    async with StreamService(producers=sources()) as service:
        session = await service.start("failing", {})
        batch = await read(service, session.id)
        assert (batch.outcome, batch.cursor.offset) == (Outcome.FAILED, 3)
    assert session.id not in caplog.text
    assert session.short_id in {getattr(record, "stream", None) for record in caplog.records}


async def test_deleting_stops_the_producer_and_tells_the_readers() -> None:
    fed = Fed()
    async with StreamService(producers=sources(fed)) as service, asyncio.TaskGroup() as tasks:
        session = await service.start("fed", {})
        reader = tasks.create_task(service.read(session.id, "now", limit=1, max_bytes=1, wait=30))
        await asyncio.sleep(0)
        await service.delete(session.id)
        assert (await reader).outcome is Outcome.DELETED
        assert session.task is not None
        await asyncio.wait([session.task], timeout=5)
        assert session.task.cancelled()
        with pytest.raises(UnknownStream):
            await service.delete(session.id)


async def test_a_shared_stream_cannot_be_deleted() -> None:
    shared = SharedStream(name="news", producer="ticker", params={"rate": 1})
    async with StreamService(shared=[shared]) as service:
        with pytest.raises(UnknownStream):
            await service.delete("news")
        assert (await service.info("news")).outcome is None


async def test_leaving_the_service_ends_running_streams_as_orphaned() -> None:
    async with StreamService(producers=sources()) as service:
        session = await service.start("silent", {})
        while (await service.info(session.id)).head.offset < 3:
            await asyncio.sleep(0)
    assert (await read(service, session.id)).outcome is Outcome.ORPHANED


async def test_a_session_that_was_never_read_is_removed_after_its_ttl_with_all_it_held() -> None:
    async with StreamService(producers=sources(), settings=Settings(session_ttl=0.1)) as service:
        session = await service.start("silent", {})
        left = weakref.ref(session)
        await gone(service, session.id)
        assert session.task is not None
        await asyncio.wait([session.task], timeout=5)
        del session
        gc.collect()
        assert left() is None


async def test_an_ended_session_is_removed_after_its_ttl_too() -> None:
    async with StreamService(settings=Settings(session_ttl=0.1)) as service:
        session = await service.start("ticker", {"count": 1})
        await gone(service, session.id)


async def test_a_session_that_is_being_read_is_not_abandoned() -> None:
    async with StreamService(producers=sources(), settings=Settings(session_ttl=0.1)) as service:
        kept = await service.start("silent", {})
        with reading(service, kept.id):
            for _ in range(3):  # three others come and go meanwhile
                await gone(service, (await service.start("silent", {})).id)
            assert kept.id in service.sessions
        await gone(service, kept.id)


async def test_a_shared_stream_is_never_abandoned() -> None:
    shared = SharedStream(name="news", producer="ticker", params={"count": 1})
    async with StreamService(shared=[shared], settings=Settings(session_ttl=0.1)) as service:
        await gone(service, (await service.start("ticker", {})).id)
        assert "news" in service.sessions


async def test_a_journal_that_cannot_be_written_fails_its_stream_and_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    shared = SharedStream(name="news", producer="ticker", params={"rate": 1})
    async with StreamService(shared=[shared], journal=folder) as service:
        await service.read("news", "start", limit=1, max_bytes=100, wait=5)
        shutil.rmtree(folder)
        session = await service.start("ticker", {"count": 3})
        assert (await read(service, session.id)).outcome is Outcome.FAILED
        assert (await service.info("news")).outcome is None
        service.check_running()


async def test_bad_parameters_start_nothing() -> None:
    async with StreamService() as service:
        with pytest.raises(ValidationError):
            await service.start("ticker", {"rate": "fast"})
        with pytest.raises(KeyError):
            await service.start("nothing", {})
        assert not service.sessions


async def test_a_service_that_does_not_run_says_so() -> None:
    with pytest.raises(RuntimeError, match="lifespan"):
        await StreamService().start("ticker", {})


async def test_a_service_whose_shared_stream_is_wrong_does_not_start() -> None:
    service = StreamService(shared=[SharedStream(name="news", producer="ticker", params={"rate": 0})])
    with pytest.raises(ExceptionGroup) as told:
        await service.__aenter__()
    assert isinstance(told.value.exceptions[0], ValidationError)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("name", ["", "A", "a b", "a/b", "-a", "x" * 65, "ü"])
def test_a_shared_streams_name_is_a_url_segment(name: str) -> None:
    with pytest.raises(ValueError, match="can't name a stream"):
        SharedStream(name=name, producer="ticker")


async def test_what_nobody_reads_is_let_go_of_when_its_age_is_up() -> None:
    """The memory, not only what a reader would be given."""
    log = MemoryLog()
    async with asyncio.timeout(10), StreamService(log=log, settings=Settings(retain_seconds=0.1)) as service:
        session = await service.start("ticker", {"count": 3, "arrivals": "at-once"})
        held = log._streams[session.id]
        while held.outcome is None:
            await asyncio.sleep(0)
        assert held.head.offset == 3
        while held.held_bytes:
            await asyncio.sleep(0.01)
        assert held.oldest == held.head
