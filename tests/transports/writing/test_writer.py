"""The writer with readers whose connections are lists: what it hands out, in what order, and what it costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

import pytest

from streamlanes.contract.sources import Fed, sources
from streamlanes.producers.events import Cursor, Event, Item
from streamlanes.producers.log.event_log import Batch
from streamlanes.producers.log.memory import MemoryLog
from streamlanes.transports.follow import Opening, StreamingLane
from streamlanes.transports.framing import NDJSONFraming
from streamlanes.transports.packing import BODY, Packed
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.service.sessions import Session, SharedStream
from streamlanes.transports.service.settings import Settings
from streamlanes.transports.writing import writer as writing
from streamlanes.transports.writing.reader import Reader
from streamlanes.transports.writing.writer import Writers

HEARTBEAT = 0.2


class Heard:
    """A reader's connection. `before_write` is called with each write, as a slow or failing socket would be."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.writes = 0
        self.ended: bool | None = None
        self.aborted = False
        self.before_write: Callable[[], None] = lambda: None

    def write(self, packed: Packed[bytes]) -> None:
        self.before_write()
        self.writes += 1
        assert packed.ready == BODY.pack(b"".join(message["body"] for message in packed.messages))
        self.lines += [line for message in packed.messages for line in message["body"].splitlines()]

    def end(self, *, ended: bool) -> None:
        self.ended = ended

    def abort(self) -> None:
        self.aborted = True

    @property
    def offsets(self) -> list[int]:
        return [int(line.split(b'"')[3].split(b":")[1]) for line in self.lines if line.startswith(b'{"id"')]

    @property
    def controls(self) -> list[str]:
        return [line.split(b'"')[3].decode() for line in self.lines if line.startswith(b'{"control"')]


class Counting(NDJSONFraming):
    """Counts what it is asked for."""

    def __init__(self) -> None:
        self.framed: list[int] = []

    def events(self, epoch: str, events: Sequence[Event]) -> bytes:
        self.framed.append(len(events))
        return super().events(epoch, events)


class CountingLog(MemoryLog):
    """Counts its reads."""

    reads = 0

    async def read(self, *args: object, **kwargs: object) -> Batch:
        self.reads += 1
        return await super().read(*args, **kwargs)  # type: ignore[arg-type] # passed on as they are


@pytest.fixture
def log() -> CountingLog:
    return CountingLog()


@pytest.fixture
async def service(fed: Fed, log: CountingLog) -> AsyncIterator[StreamService]:
    async with (
        asyncio.timeout(20),
        StreamService(
            producers=sources(fed),
            shared=[SharedStream(name="news", producer="ticker", params={"rate": 0.01})],
            log=log,
            settings=Settings(retain_events=8, heartbeat=HEARTBEAT),
        ) as running,
    ):
        yield running


class Hall:
    """A lane's readers."""

    def __init__(self, service: StreamService) -> None:
        self.framing = Counting()
        lane = StreamingLane(service, "test", self.framing, jitter=lambda low, _: low)
        self.writers = Writers(lane, BODY)

    async def enter(self, stream: str, after: Cursor | None = None) -> tuple[Reader[bytes], Heard]:
        reader, heard = Reader(self.writers, stream), Heard()
        first = await self.writers.lane.open(stream, after or "start")
        reader.begin(Opening(stream, first), heard, None)
        return reader, heard


@pytest.fixture
def hall(service: StreamService) -> Hall:
    return Hall(service)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


def all_have(readers: Sequence[tuple[Reader[bytes], Heard]], offsets: Sequence[int]) -> Callable[[], bool]:
    return lambda: all(heard.offsets == [*offsets] for _, heard in readers)


async def test_a_batch_is_read_and_framed_once_for_all(
    hall: Hall, service: StreamService, session: Session, log: CountingLog
) -> None:
    readers = [await hall.enter(session.id) for _ in range(100)]
    await asyncio.sleep(0)
    before = log.reads
    for n in range(5):
        await service.append(session.id, [Item(n), Item(-n)])
        await until(all_have(readers, range(1, 2 * n + 3)))
    assert all(heard.offsets == list(range(1, 11)) for _, heard in readers)
    assert hall.framing.framed == [2] * 5
    assert log.reads - before <= 6
    assert hall.writers.lane.metrics.delivered == 100 * 10
    assert sum(hall.writers.lane.metrics.latencies) == 100 * 5


async def test_an_append_waits_for_no_reader(hall: Hall, service: StreamService, session: Session) -> None:
    _, heard = await hall.enter(session.id)
    await asyncio.sleep(0)
    told = heard.writes
    append = service.append(session.id, [Item(1)])
    with pytest.raises(StopIteration):
        append.send(None)  # to its end, without anybody else's turn
    assert heard.writes == told
    await until(lambda: heard.offsets == [1])


async def test_each_pass_begins_with_another_reader(hall: Hall, service: StreamService, session: Session) -> None:
    order: list[int] = []
    readers = [await hall.enter(session.id) for _ in range(10)]
    for number, (_, heard) in enumerate(readers):
        heard.before_write = partial(order.append, number)
    for n in range(6):
        await service.append(session.id, [Item(n)])
        await until(all_have(readers, range(1, n + 2)))
    passes = [order[start : start + 10] for start in range(0, 60, 10)]
    assert all(sorted(one) == list(range(10)) for one in passes)
    assert len({one[0] for one in passes}) >= 5


async def test_a_long_pass_lets_others_have_their_turn(
    hall: Hall, service: StreamService, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile readers come and go, and each gets each event once."""
    monkeypatch.setattr(writing, "AT_ONCE", 4)
    readers = [await hall.enter(session.id) for _ in range(40)]
    for _, heard in readers:
        heard.before_write = lambda: time.sleep(0.002)
    await asyncio.sleep(0)
    await service.append(session.id, [Item(1)])
    turns = 0
    while not all(heard.offsets for _, heard in readers[1:]):
        await asyncio.sleep(0)
        turns += 1
        if turns == 3:
            readers.append(await hall.enter(session.id))
            readers.append(await hall.enter(session.id, session.cursor))
            readers[0][0].lost()
    assert turns >= 8  # 80 ms, at most some 8 at once
    await service.append(session.id, [Item(2)])
    await until(lambda: all(2 in heard.offsets for _, heard in readers[1:]))
    assert all(heard.offsets == [1, 2] for _, heard in readers[1:])
    assert len(readers[0][1].offsets) <= 1


async def test_who_is_paused_costs_nothing_and_catches_up_in_one_write(
    hall: Hall, service: StreamService, session: Session
) -> None:
    slow, heard = await hall.enter(session.id)
    other = await hall.enter(session.id)
    slow.paused()
    for n in range(5):
        await service.append(session.id, [Item(n)])
        await until(all_have([other], range(1, n + 2)))
    writes = heard.writes
    assert heard.offsets == []
    slow.resumed()
    await until(lambda: len(heard.offsets) == 5)
    assert heard.writes == writes + 1
    await service.append(session.id, [Item(6)])
    await until(all_have([(slow, heard), other], range(1, 7)))
    assert heard.controls == other[1].controls == ["open"]


async def test_a_socket_that_is_full_in_the_middle_of_a_pass_leaves_it(
    hall: Hall, service: StreamService, session: Session
) -> None:
    slow, heard = await hall.enter(session.id)
    _, other = await hall.enter(session.id)
    heard.before_write = slow.paused  # as a transport does from within `write`
    await service.append(session.id, [Item(1)])
    await until(lambda: other.offsets == [1])
    assert heard.offsets == [1]
    await service.append(session.id, [Item(2)])
    await until(lambda: other.offsets == [1, 2])
    assert heard.offsets == [1]
    heard.before_write = lambda: None
    slow.resumed()
    await until(lambda: heard.offsets == [1, 2])


async def test_who_falls_off_the_tail_is_told_what_is_missing(
    hall: Hall, service: StreamService, session: Session
) -> None:
    slow, heard = await hall.enter(session.id)
    slow.paused()
    for n in range(20):
        await service.append(session.id, [Item(n)])
    slow.resumed()
    await until(lambda: heard.offsets == list(range(13, 21)))
    assert heard.controls == ["open", "gap"]
    assert b'"missing":12' in heard.lines[1]


async def test_more_at_once_than_is_kept_is_a_gap_for_all(hall: Hall, service: StreamService, session: Session) -> None:
    readers = [await hall.enter(session.id) for _ in range(3)]
    await asyncio.sleep(0)
    await service.append(session.id, [Item(n) for n in range(20)])
    await until(lambda: all(heard.offsets == list(range(13, 21)) for _, heard in readers))
    assert all(heard.controls == ["open", "gap"] for _, heard in readers)


async def test_a_reader_that_has_read_further_than_the_writer_gets_nothing_twice(
    hall: Hall, service: StreamService, session: Session
) -> None:
    _, first = await hall.enter(session.id)
    await asyncio.sleep(0)
    await service.append(session.id, [Item(1)])  # of which the writer will learn in its next turn
    _, second = await hall.enter(session.id)
    assert second.offsets == [1]
    await service.append(session.id, [Item(2)])
    await until(lambda: first.offsets == second.offsets == [1, 2])


async def test_silence_is_broken_by_pings(hall: Hall, service: StreamService, session: Session) -> None:
    loop = asyncio.get_running_loop()
    _, heard = await hall.enter(session.id)
    begin = loop.time()
    await until(lambda: "ping" in heard.controls)
    assert HEARTBEAT / 2 <= loop.time() - begin < HEARTBEAT
    while loop.time() < begin + 3 * HEARTBEAT:
        await service.append(session.id, [Item(1)])
        await asyncio.sleep(HEARTBEAT / 8)
    assert heard.controls == ["open", "ping"]
    await until(lambda: heard.controls == ["open", "ping", "ping"])
    assert loop.time() - begin < 4.2 * HEARTBEAT


async def test_who_is_paused_gets_no_pings(hall: Hall, session: Session) -> None:
    slow, heard = await hall.enter(session.id)
    _, other = await hall.enter(session.id)
    slow.paused()
    await until(lambda: other.controls.count("ping") == 3)
    assert heard.controls == ["open"]


async def test_a_write_that_fails_ends_its_reader_and_no_other(
    hall: Hall, service: StreamService, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("the transport is closed")

    readers = [await hall.enter(session.id) for _ in range(3)]
    await asyncio.sleep(0)
    readers[1][1].before_write = broken
    for n in (1, 2):
        await service.append(session.id, [Item(n)])
    await until(lambda: all(readers[n][1].offsets == [1, 2] for n in (0, 2)))
    assert readers[1][1].aborted
    assert readers[1][0].over
    assert len([record for record in caplog.records if "can't be written to" in record.message]) == 1


async def test_the_end_is_told_to_all_and_nothing_is_left(
    hall: Hall, service: StreamService, session: Session, fed: Fed
) -> None:
    readers = [await hall.enter(session.id) for _ in range(3)]
    slow, late = await hall.enter(session.id)
    slow.paused()
    fed.queue.put_nowait("last")
    fed.queue.put_nowait(None)
    await until(lambda: all(heard.ended for _, heard in readers))
    assert late.ended is None
    slow.resumed()
    await until(lambda: late.ended is True)
    assert {tuple(heard.controls) for _, heard in [*readers, (slow, late)]} == {("open", "end")}
    assert [heard.offsets for _, heard in readers] == [[1]] * 3
    await until(lambda: not hall.writers._writers)
    assert not service.timers._slots


async def test_a_stream_that_is_removed_ends_without_an_end(
    hall: Hall, service: StreamService, session: Session, log: CountingLog
) -> None:
    _, heard = await hall.enter(session.id)
    slow, late = await hall.enter(session.id)
    await asyncio.sleep(0)
    slow.paused()
    await service.delete(session.id)
    del log._streams[session.id]  # as its tombstone does after a minute
    await until(lambda: heard.ended is not None)
    assert heard.controls == ["open", "end"]
    slow.resumed()
    await until(lambda: late.ended is not None)
    assert (late.controls, late.ended) == (["open"], False)


async def test_the_last_reader_takes_the_writer_along(hall: Hall, session: Session) -> None:
    before = len(asyncio.all_tasks())
    readers = [await hall.enter(session.id) for _ in range(3)]
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == before + 1
    for reader, _ in readers:
        reader.lost()
        reader.lost()  # told twice, it is over once
    await until(lambda: len(asyncio.all_tasks()) == before)
    assert not hall.writers._writers


async def test_readers_of_shared_streams_are_sent_away_over_the_time(hall: Hall, service: StreamService) -> None:
    readers = [await hall.enter("news") for _ in range(20)]
    slow, stuck = await hall.enter("news")
    slow.paused()
    left: list[float] = []
    for _, heard in readers:
        heard.end = lambda *, ended: left.append(time.monotonic())  # type: ignore[method-assign] # a test's
    begin = time.monotonic()
    drain = asyncio.create_task(service.drain(1.0))
    await until(lambda: len(left) == 20)
    assert left[-1] - left[0] > 0.3
    assert left[-1] - begin < 1.0
    slow.resumed()
    await until(lambda: stuck.ended is not None)
    drain.cancel()


async def test_a_reader_of_a_new_stream_of_the_same_name_is_not_told_the_old_ones_end(
    hall: Hall, service: StreamService, session: Session, log: CountingLog
) -> None:
    _, old = await hall.enter(session.id)
    await asyncio.sleep(0)
    await log.create(session.id, service.settings.retention)  # in place of it; the old one's readers learn it later
    _, new = await hall.enter(session.id)
    await log.append(session.id, [Item("new")])
    await until(lambda: old.ended is True and new.offsets == [1])
    assert (old.controls, new.controls) == (["open", "end"], ["open"])


async def test_pings_go_on_while_the_server_drains(hall: Hall, service: StreamService) -> None:
    readers = [await hall.enter("news") for _ in range(10)]
    drain = asyncio.create_task(service.drain(10.0))
    begin = time.monotonic()
    await until(lambda: time.monotonic() - begin > 4 * HEARTBEAT)
    stayed = [heard for _, heard in readers if heard.ended is None]
    assert stayed
    assert all(heard.controls.count("ping") >= 3 for heard in stayed)
    drain.cancel()
