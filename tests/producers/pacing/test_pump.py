from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from streamlanes.producers.events import Cursor, Item
from streamlanes.producers.log.event_log import Retention
from streamlanes.producers.log.memory import MemoryLog
from streamlanes.producers.pacing.journal import Journal, read_journal
from streamlanes.producers.pacing.pacers import LoopPacer
from streamlanes.producers.pacing.pump import MAX_BATCH, pump


class RecordingLog(MemoryLog):
    """A log that remembers the sizes of its appends."""

    def __init__(self) -> None:
        super().__init__()
        self.appends: list[int] = []

    async def append(self, stream: str, items: Sequence[Item]) -> Cursor:
        self.appends.append(len(items))
        return await super().append(stream, items)


class LatePacer:
    """Wakes a fixed time after the due time, as seen in the time it returns."""

    def __init__(self, late_ns: int) -> None:
        self.late_ns = late_ns
        self.waits: list[int] = []

    async def wait_until(self, due_ns: int) -> int:
        self.waits.append(due_ns)
        return due_ns + self.late_ns


async def schedule(dues: Sequence[int]) -> AsyncGenerator[Item, None]:
    for n, due in enumerate(dues):
        yield Item(n, due_ns=due)


async def test_what_is_due_together_is_appended_together() -> None:
    log = RecordingLog()
    await log.create("s", Retention())
    later = time.monotonic_ns() + 10**12
    dues = [later, later + 3, later + 10, later + 11, later + 100]
    pacer = LatePacer(10)
    await pump(schedule(dues), log, "s", pacer=pacer)
    assert log.appends == [3, 1, 1]  # 10 ns late: the first three are due, then the next was late too, ...
    assert pacer.waits == [later, later + 11, later + 100]


async def test_a_backlog_is_appended_in_bounded_batches() -> None:
    log = RecordingLog()
    await log.create("s", Retention())
    await pump(schedule([0] * (MAX_BATCH * 2 + 5)), log, "s", pacer=LoopPacer())
    assert log.appends == [MAX_BATCH, MAX_BATCH, 5]


async def test_items_without_due_time_are_appended_as_they_come() -> None:
    log = MemoryLog()
    await log.create("s", Retention())
    proceed = asyncio.Event()

    async def upstream() -> AsyncGenerator[Item, None]:
        yield Item(1)
        await proceed.wait()
        yield Item(2)

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(pump(upstream(), log, "s", pacer=LoopPacer()))
        batch = await log.read("s", "start", limit=9, max_bytes=99, wait=5)
        assert [event.data for event in batch.events] == ["1"]
        proceed.set()
        assert (await log.read("s", batch.cursor, limit=9, max_bytes=99, wait=5)).events[0].data == "2"


async def test_a_producer_that_never_waits_lets_others_run() -> None:
    log = MemoryLog()
    await log.create("s", Retention())

    async def flood() -> AsyncGenerator[Item, None]:
        for n in range(100_000):
            yield Item(n)

    task = asyncio.create_task(pump(flood(), log, "s", pacer=LoopPacer()))
    await log.read("s", "start", limit=1, max_bytes=99, wait=5)
    assert (await log.info("s")).head.offset < 100
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_pump_closes_its_producer() -> None:
    log = MemoryLog()
    await log.create("s", Retention())
    closed = asyncio.Event()

    async def upstream() -> AsyncGenerator[Item, None]:
        try:
            yield Item(1)
            await asyncio.Event().wait()
        finally:
            closed.set()

    task = asyncio.create_task(pump(upstream(), log, "s", pacer=LoopPacer()))
    await log.read("s", "start", limit=1, max_bytes=99, wait=5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed.is_set()


async def test_the_producers_error_comes_through_after_what_it_yielded() -> None:
    log = MemoryLog()
    await log.create("s", Retention())

    async def failing() -> AsyncGenerator[Item, None]:
        yield Item(1)
        yield Item(float("nan"))

    with pytest.raises(ValueError, match="isn't JSON"):
        await pump(failing(), log, "s", pacer=LoopPacer())
    assert (await log.info("s")).head.offset == 1


async def test_the_loops_pacer_is_never_early() -> None:
    for milliseconds in (0.1, 0.5, 3, 20):
        due = time.monotonic_ns() + int(milliseconds * 1e6)
        assert await LoopPacer().wait_until(due) >= due


async def test_the_journal_has_each_events_times_in_their_order(tmp_path: Path) -> None:
    log = MemoryLog()
    epoch = (await log.create("s", Retention())).epoch
    begin = time.monotonic_ns()
    dues = [begin, begin + 5_000_000, begin + 5_000_001]
    journal = Journal(tmp_path, epoch)
    await pump(schedule(dues), log, "s", pacer=LoopPacer(), journal=journal)
    journal.close()
    stamps = read_journal(tmp_path, epoch)
    assert [stamp.due for stamp in stamps] == dues
    assert all(stamp.due <= stamp.woke <= stamp.append <= time.monotonic_ns() for stamp in stamps[1:])
    assert stamps[1].append == stamps[2].append


async def test_a_journal_that_was_cut_in_a_record_reads_up_to_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "e1")
    journal.write([Item(1, due_ns=7)], 8, 9)
    journal.close()
    with (tmp_path / "e1.journal").open("ab") as file:
        file.write(b"\0" * 11)
    assert read_journal(tmp_path, "e1") == [(7, 8, 9)]


async def test_what_became_due_while_the_loop_was_busy_was_not_woken_for_earlier(tmp_path: Path) -> None:
    """Each item takes the loop longer than the next one is away, so that the pump never has to wait."""
    begin = time.monotonic_ns()

    async def busy() -> AsyncGenerator[Item, None]:
        for n in range(20):
            yield Item(n, due_ns=begin + n * 1_000_000)
            until = begin + (n + 1) * 1_500_000
            while time.monotonic_ns() < until:
                pass

    log = MemoryLog()
    cursor = await log.create("s", Retention())
    with Journal(tmp_path, cursor.epoch) as journal:
        await pump(busy(), log, "s", pacer=LoopPacer(), journal=journal)
    stamps = read_journal(tmp_path, cursor.epoch)
    assert len(stamps) == 20
    assert all(stamp.due <= stamp.woke <= stamp.append for stamp in stamps)
