from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlanes.producers.errors import CursorExpired, InvalidItem, StreamEnded, UnknownStream
from streamlanes.producers.events import After, Cursor, Item, Outcome
from streamlanes.producers.log.event_log import Batch, Retention
from streamlanes.producers.log.memory import TOMBSTONE_SECONDS, MemoryLog

ROOM = Retention()


class Clock:
    """A clock that goes when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def epochs() -> Callable[[], str]:
    names: Iterator[int] = iter(range(1, 1000))
    return lambda: f"e{next(names)}"


async def read(log: MemoryLog, after: After = "start", wait: float = 0) -> Batch:
    return await log.read("s", after, limit=1000, max_bytes=1 << 20, wait=wait)


async def log_of(count: int, retention: Retention = ROOM) -> MemoryLog:
    log = MemoryLog(epochs=epochs())
    await log.create("s", retention)
    for n in range(1, count + 1):
        await log.append("s", [Item(n)])
    return log


def values(batch: Batch) -> list[int]:
    return [int(event.data) for event in batch.events]


async def test_events_are_numbered_from_one() -> None:
    log = await log_of(3)
    batch = await read(log)
    assert [(event.offset, event.data) for event in batch.events] == [(1, "1"), (2, "2"), (3, "3")]
    assert batch.cursor == Cursor("e1", 3)
    assert batch.outcome is None


@pytest.mark.parametrize("offset", range(4))
async def test_reading_goes_on_after_any_cursor_and_takes_nothing_away(offset: int) -> None:
    log = await log_of(3)
    for _ in range(2):
        assert values(await read(log, Cursor("e1", offset))) == list(range(offset + 1, 4))


async def test_now_is_resolved_even_without_events() -> None:
    log = await log_of(3)
    batch = await read(log, "now")
    assert batch == Batch((), Cursor("e1", 3), None)


async def test_limit_and_bytes_bound_a_read_but_one_event_always_fits() -> None:
    log = MemoryLog(epochs=epochs())
    await log.create("s", ROOM)
    await log.append("s", [Item("x" * 8), Item("y" * 8), Item("é" * 8), Item(1)])  # 10, 10, 18 and 1 bytes
    for max_bytes, expected in [(1, 1), (19, 1), (20, 2), (37, 2), (38, 3), (39, 4)]:
        batch = await log.read("s", "start", limit=9, max_bytes=max_bytes, wait=0)
        assert len(batch.events) == expected, max_bytes
        assert batch.cursor.offset == expected
    assert len((await log.read("s", "start", limit=2, max_bytes=1000, wait=0)).events) == 2


async def test_an_append_wakes_every_waiting_reader_once() -> None:
    log = await log_of(0)
    async with asyncio.TaskGroup() as tasks:
        readers = [tasks.create_task(read(log, wait=30)) for _ in range(100)]
        await asyncio.sleep(0)
        await log.append("s", [Item(1), Item(2)])
    assert all(values(reader.result()) == [1, 2] for reader in readers)


async def test_the_end_wakes_waiting_readers() -> None:
    log = await log_of(1)
    async with asyncio.TaskGroup() as tasks:
        reader = tasks.create_task(read(log, "now", wait=30))
        await asyncio.sleep(0)
        await log.finish("s", Outcome.FAILED)
    assert reader.result() == Batch((), Cursor("e1", 1), Outcome.FAILED)


async def test_the_outcome_comes_with_the_last_event_and_not_before() -> None:
    log = await log_of(3)
    await log.finish("s", Outcome.COMPLETED)
    assert (await log.read("s", "start", limit=2, max_bytes=99, wait=0)).outcome is None
    assert (await log.read("s", "start", limit=3, max_bytes=99, wait=0)).outcome is Outcome.COMPLETED
    await log.finish("s", Outcome.ORPHANED)
    assert (await read(log)).outcome is Outcome.COMPLETED
    with pytest.raises(StreamEnded):
        await log.append("s", [Item(4)])


async def test_a_wait_that_brings_nothing_ends_in_time() -> None:
    log = await log_of(1)
    loop = asyncio.get_running_loop()
    begin = loop.time()
    assert (await read(log, "now", wait=0.1)).events == ()
    assert 0.1 <= loop.time() - begin < 5


async def test_short_waits_end_before_long_ones_that_began_earlier() -> None:
    log = await log_of(1)
    async with asyncio.TaskGroup() as tasks:
        long = tasks.create_task(read(log, "now", wait=30))
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await read(log, "now", wait=0.05)
        assert not long.done()
        long.cancel()


async def test_a_cancelled_reader_leaves_nothing_behind() -> None:
    log = await log_of(1)
    reader = asyncio.create_task(read(log, "now", wait=30))
    await asyncio.sleep(0)
    assert log._streams["s"].waiters
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert not log._streams["s"].waiters
    assert not log._deadlines._slots


async def test_retention_by_count_tells_what_is_gone() -> None:
    log = await log_of(10, Retention(max_events=4))
    assert values(await read(log)) == [7, 8, 9, 10]
    assert values(await read(log, Cursor("e1", 6))) == [7, 8, 9, 10]
    with pytest.raises(CursorExpired) as told:
        await read(log, Cursor("e1", 2))
    assert (told.value.oldest, told.value.head, told.value.missing) == (Cursor("e1", 6), Cursor("e1", 10), 4)


async def test_a_cursor_of_another_epoch_or_beyond_the_head_has_expired() -> None:
    log = await log_of(3)
    for foreign in (Cursor("other", 1), Cursor("e1", 4)):
        with pytest.raises(CursorExpired) as told:
            await read(log, foreign)
        assert told.value.missing is None
        assert told.value.oldest == Cursor("e1", 0)


async def test_retention_by_bytes_counts_utf8_and_keeps_the_newest() -> None:
    log = MemoryLog()
    await log.create("s", Retention(max_bytes=30))
    await log.append("s", [Item("é" * 9), Item("a" * 8)])  # 20 and 10 bytes
    assert (await log.info("s")).bytes == 30
    await log.append("s", [Item(1)])
    assert (await log.info("s")).bytes == 11
    await log.append("s", [Item("z" * 100)])
    assert (await log.info("s")).bytes == 102
    assert len((await read(log)).events) == 1


async def test_retention_by_age_works_without_appends() -> None:
    clock = Clock()
    log = MemoryLog(clock=clock, epochs=epochs())
    await log.create("s", Retention(max_age=10))
    await log.append("s", [Item(1), Item(2)])
    clock.now += 6
    await log.append("s", [Item(3)])
    assert values(await read(log)) == [1, 2, 3]
    clock.now += 5
    assert values(await read(log)) == [3]
    clock.now += 6
    assert (await read(log)) == Batch((), Cursor("e1", 3), None)
    assert (await log.info("s")).bytes == 0
    await log.append("s", [Item(4)])
    assert values(await read(log)) == [4]


@given(
    batches=st.lists(st.lists(st.text("ab", max_size=30), max_size=20), max_size=40),
    retention=st.builds(Retention, max_events=st.integers(1, 100), max_bytes=st.integers(1, 400)),
)
async def test_what_is_held_is_what_retention_allows(batches: list[list[str]], retention: Retention) -> None:
    log = MemoryLog()
    await log.create("s", retention)
    appended: list[str] = []
    for batch in batches:
        head = await log.append("s", [Item(text) for text in batch])
        appended += batch
        assert head.offset == len(appended)
        held = (await log.read("s", "start", limit=10_000, max_bytes=10**9, wait=0)).events
        expected: list[str] = []
        for text in reversed(appended[-retention.max_events :]):
            if expected and sum(len(kept) + 2 for kept in [*expected, text]) > retention.max_bytes:
                break
            expected.insert(0, text)
        assert [event.data[1:-1] for event in held] == expected
        assert [event.offset for event in held] == list(range(len(appended) - len(held) + 1, len(appended) + 1))
        stored = log._streams["s"]._events
        assert len(stored) <= len(held) * 8 / 7 + 65  # what is dropped is also freed


async def test_a_bad_item_leaves_the_log_as_it_was() -> None:
    log = await log_of(1)
    with pytest.raises(InvalidItem):
        await log.append("s", [Item(2), Item(float("nan"))])
    with pytest.raises(InvalidItem):
        await log.append("s", [Item(2), Item(3, type="stream-end")])
    assert values(await read(log)) == [1]
    assert (await log.append("s", [Item(2)])).offset == 2


async def test_deletion_is_told_for_a_minute_and_frees_the_events() -> None:
    clock = Clock()
    log = MemoryLog(clock=clock)
    cursor = await log.create("s", ROOM)
    await log.append("s", [Item("x" * 1000)])
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(read(log, "now", wait=30))
        await asyncio.sleep(0)
        await log.delete("s")
    assert waiting.result().outcome is Outcome.DELETED
    assert (await log.info("s")).bytes == 0
    places: list[After] = ["start", "now", cursor, Cursor("other", 7)]
    for after in places:
        assert (await read(log, after)).outcome is Outcome.DELETED
    clock.now += TOMBSTONE_SECONDS + 1
    with pytest.raises(UnknownStream):
        await read(log)


async def test_a_removed_stream_is_unknown_at_once() -> None:
    log = await log_of(2)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(read(log, "now", wait=30))
        await asyncio.sleep(0)
        await log.remove("s")
    assert waiting.result().outcome is Outcome.DELETED
    with pytest.raises(UnknownStream):
        await read(log)


async def test_a_recreated_stream_has_a_new_epoch_and_its_old_readers_learn_it() -> None:
    log = await log_of(2)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(read(log, "now", wait=30))
        await asyncio.sleep(0)
        fresh = await log.create("s", ROOM)
    assert fresh == Cursor("e2", 0)
    assert waiting.result().outcome is Outcome.DELETED
    with pytest.raises(CursorExpired):
        await read(log, Cursor("e1", 1))


async def test_what_was_never_created_is_unknown() -> None:
    log = MemoryLog()
    for call in (read(log), log.append("s", []), log.finish("s", Outcome.FAILED), log.delete("s"), log.info("s")):
        with pytest.raises(UnknownStream):
            await call
