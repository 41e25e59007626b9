"""Readers of all lanes against one log, under faults at random: what they read is what was appended.

Or else they were told exactly what they missed. Each example is one stream with a reader per lane, each behind a relay
of its own. `run_state_machine_as_test` draws what happens: appends, trims, cuts, resets, stalls, dropped responses,
narrow links, readers that leave and come back, the stream's end, its deletion, its beginning anew.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from streamlanes import clients
from streamlanes.benchmarks.relay import Cut, Direction, DropResponse, Fault, Link, Relay, Reset, no_faults
from streamlanes.clients import Client, EventStream, Options
from streamlanes.producers.errors import CursorExpired, StreamFailed, UnknownStream
from streamlanes.producers.events import After, Cursor, Event, Item, Outcome, encode_json
from streamlanes.producers.log.event_log import Retention
from streamlanes.transports import Settings, discover
from streamlanes.transports.service.sessions import Session
from tests.guarantees.world import LANES, World, world

RETENTION = Retention(max_events=12, max_bytes=40_000, max_age=100, max_event_bytes=20_000)
SETTINGS = Settings(retain_events=12, retain_bytes=40_000, retain_seconds=100, max_event_bytes=20_000, session_ttl=3600)

CLIENTS = clients.discover()
WIRES = {name: transport.wire for name, transport in discover().items()}

READERS = st.sampled_from(LANES)
VALUES = st.sampled_from(
    ["", "plain", "a\n\nid: 9\r\ndata: x\n\n", "\u2028\u0085é🙂", '"},{"', 7, None, {"control": "end"}, "x" * 300]
) | st.sampled_from(["y" * 5_000, "z" * 19_000])
TYPES = st.sampled_from(["message", "message", "tick"])
BATCHES = st.lists(st.builds(Item, VALUES, TYPES), min_size=1, max_size=5) | st.lists(
    st.builds(Item, st.integers(0, 9)), min_size=10, max_size=20
)
BYTES = st.integers(0, 700) | st.integers(0, 25_000)
DIRECTIONS = st.sampled_from(["up", "down"])


@dataclass(kw_only=True)
class Book:
    """What was appended, and what is no longer held: the truth."""

    cursor: Cursor
    """Before the first event of this incarnation."""
    events: list[Event] = field(default_factory=list)

    def after(self, offset: int) -> Cursor:
        return self.cursor._replace(offset=offset)

    def write(self, items: Sequence[Item]) -> None:
        for item in items:
            self.events.append(Event(len(self.events) + 1, item.type, encode_json(item.value)))


@dataclass(kw_only=True)
class Reader:
    """A reader of one lane, which resumes by itself, and from outside where it was left."""

    lane: str
    client: Client
    url: str
    books: dict[str, Book]
    """By epoch; the last one is the current."""
    skips: bool
    trimmed: Callable[[], Cursor]
    """The cursor before the oldest event held."""
    deleted: Callable[[], bool]
    seen: Counter[tuple[str, str]]
    place: After = "start"
    ended: Outcome | None = None
    task: asyncio.Task[None] | None = None

    @property
    def reading(self) -> bool:
        return self.task is not None

    def come(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self._read())

    async def leave(self) -> None:
        """Go away in the middle of whatever it is doing."""
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _read(self) -> None:
        options = Options(
            first_delay=0.001,
            max_delay=0.002,
            attempts=10_000,
            open_timeout=0.5,
            grace=0.5,
            on_gap=self._missed if self.skips else "raise",
        )
        while self.ended is None:
            try:
                async with self.client.connect(self.url, after=self.place, options=options) as stream:
                    self._opened(stream)
                    async for event in stream:
                        self._got(event)
                    assert stream.cursor == self.place
                    self.ended = stream.outcome
            except CursorExpired as gap:
                assert not self.skips
                self._missed(gap)
            except StreamFailed:
                self.ended = Outcome.FAILED
            except UnknownStream:
                assert self.deleted()  # so long ago that there is no tombstone left
                self.ended = Outcome.DELETED

    def _opened(self, stream: EventStream) -> None:
        assert stream.cursor is not None
        if isinstance(self.place, Cursor):
            assert stream.cursor == self.place
            return
        # When exactly it was resolved only the server knows; but not before it was asked, nor after now.
        book = self.books[stream.cursor.epoch]
        assert 0 <= stream.cursor.offset <= len(book.events)
        if self.place == "start":
            assert self._no_longer_held(stream.cursor)
        self.place = stream.cursor

    def _got(self, event: Event) -> None:
        assert isinstance(self.place, Cursor)
        self.seen["events", self.lane] += 1
        assert event == self.books[self.place.epoch].events[self.place.offset]
        self.place = self.place._replace(offset=event.offset)

    def _missed(self, gap: CursorExpired) -> None:
        assert gap.after == self.place
        assert self._no_longer_held(gap.oldest)
        if gap.oldest.epoch == gap.after.epoch:
            assert gap.missing == gap.oldest.offset - gap.after.offset > 0
        else:
            assert gap.missing is None
            epochs = list(self.books)
            assert epochs.index(gap.oldest.epoch) > epochs.index(gap.after.epoch)
        self.place = gap.oldest
        self.seen["gaps", self.lane] += 1

    def _no_longer_held(self, cursor: Cursor) -> bool:
        """Whether all up to *cursor* is gone, so that beginning behind it hides nothing."""
        trimmed = self.trimmed()
        return cursor.epoch != trimmed.epoch or cursor.offset <= trimmed.offset

    def at_end(self) -> bool:
        book = list(self.books.values())[-1]
        return self.place == book.after(len(book.events))


class Lanes(RuleBasedStateMachine):
    """One stream and its readers."""

    world: ClassVar[World]
    seen: ClassVar[Counter[tuple[str, str]]]
    """Events, gaps and outcomes, by lane: what the examples came to."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: dict[str, Reader] = {}
        self.books: dict[str, Book] = {}
        self.outcome: Outcome | None = None
        self.steps = 0

    @initialize(
        skipping=st.sets(READERS),
        begin=st.sampled_from(["start", "now"]),
        ending=st.sampled_from([Outcome.COMPLETED, Outcome.FAILED, Outcome.DELETED]),
        life=st.integers(10, 60),
        renewal=st.integers(5, 60),
    )
    def start(self, skipping: set[str], begin: After, ending: Outcome, life: int, renewal: int) -> None:
        self.ending, self.life, self.renewal = ending, life, renewal
        self.session: Session = self.world.run(self.world.service.start("told", {}))
        self.books[self.session.cursor.epoch] = Book(cursor=self.session.cursor)
        for lane in LANES:
            self.readers[lane] = Reader(
                lane=lane,
                client=CLIENTS[WIRES[lane]],
                url=f"{self.world.relays[lane].url}/{lane}/{self.session.id}",
                books=self.books,
                skips=lane in skipping,
                trimmed=self.trimmed,
                deleted=lambda: self.outcome is Outcome.DELETED,
                seen=self.seen,
                place=begin,
            )
            self.world.run(self._come(self.readers[lane]))

    def trimmed(self) -> Cursor:
        return self.world.log._streams[self.session.id].oldest

    async def _come(self, reader: Reader) -> None:
        reader.come()

    def _current(self) -> Book:
        return list(self.books.values())[-1]

    async def _append(self, items: Sequence[Item]) -> None:
        self._current().write(items)
        await self.world.service.append(self.session.id, items)

    def running(self) -> bool:
        return self.outcome is None

    @precondition(running)
    @rule(items=BATCHES)
    def append(self, items: list[Item]) -> None:
        self.world.run(self._append(items))

    @precondition(running)
    @rule(items=BATCHES)
    def append_to_those_who_wait(self, items: list[Item]) -> None:
        self.world.run(self._append(items))
        self.settle()

    @rule(spins=st.integers(1, 60))
    def let_time_pass(self, spins: int) -> None:
        async def spin() -> None:
            for _ in range(spins):
                await asyncio.sleep(0)

        self.world.run(spin())

    @rule()
    def settle(self) -> None:
        """Have all that read come to the end of what is there; a fault on the way may take away what was on the way."""
        self.world.calm()
        self.world.run(self.world.until(self._settled))

    def _settled(self) -> bool:
        for reader in self.readers.values():
            if reader.task is not None and reader.task.done():
                reader.task.result()
        return all(
            not reader.reading or reader.ended is not None or (self.outcome is None and reader.at_end())
            for reader in self.readers.values()
        )

    @rule(lane=READERS, fault=st.sampled_from([Relay.cut, Relay.reset, Relay.drop_response, Relay.half_open]))
    def break_connection(self, lane: str, fault: Callable[[Relay], None]) -> None:
        fault(self.world.relays[lane])

    @rule(lane=READERS, direction=DIRECTIONS, kind=st.sampled_from([Cut, Reset]), after=BYTES)
    def break_the_next_ones_at_byte(self, lane: str, direction: Direction, kind: type[Cut | Reset], after: int) -> None:
        """The next connection, and each third one from then on, so that something gets through."""
        relay = self.world.relays[lane]
        self._plan(relay, kind(direction=direction, after_bytes=after))

    @rule(lane=READERS, request=st.integers(1, 3))
    def drop_a_response(self, lane: str, request: int) -> None:
        self._plan(self.world.relays[lane], DropResponse(request=request))

    @staticmethod
    def _plan(relay: Relay, fault: Fault) -> None:
        first = relay.counts.accepted
        relay.faults = lambda index, _: [] if (index - first) % 3 else [fault]
        relay.cut()

    @rule(lane=READERS)
    def refuse(self, lane: str) -> None:
        self.world.relays[lane].refusing = True
        self.world.relays[lane].reset()

    @rule(lane=READERS, seconds=st.sampled_from([0.002, 0.02, 1.0]), direction=st.sampled_from(["up", "down", None]))
    def stall(self, lane: str, seconds: float, direction: Direction | None) -> None:
        self.world.relays[lane].stall(seconds, direction)

    @rule(
        lane=READERS,
        link=st.sampled_from(
            [
                Link(),
                Link(bandwidth=200_000),
                Link(delay=0.002, jitter=0.002),
                Link(buffer_bytes=700, buffer_seconds=0.005),
            ]
        ),
        direction=DIRECTIONS,
    )
    def narrow(self, lane: str, link: Link, direction: Direction) -> None:
        setattr(self.world.relays[lane], direction, link)

    @rule(lane=READERS)
    def heal(self, lane: str) -> None:
        relay = self.world.relays[lane]
        relay.faults, relay.refusing, relay.up, relay.down = no_faults, False, Link(), Link()
        relay.stall(0)

    @rule(seconds=st.sampled_from([1.0, 60.0, 101.0]))
    def grow_old(self, seconds: float) -> None:
        self.world.clock.now += seconds

    @rule(lane=READERS)
    def leave_or_come_back(self, lane: str) -> None:
        reader = self.readers[lane]
        if reader.ended is Outcome.DELETED and self.outcome is None:  # the stream has begun anew meanwhile
            reader.ended = reader.task = None
        self.world.run(reader.leave() if reader.reading else self._come(reader))

    @precondition(lambda self: self.outcome is None and self.steps >= self.renewal and len(self.books) == 1)
    @rule()
    def begin_anew(self) -> None:
        """Under the same name, as if the server had lost its memory."""
        cursor = self.world.run(self.world.log.create(self.session.id, RETENTION))
        self.books[cursor.epoch] = Book(cursor=cursor)

    @precondition(lambda self: self.outcome is None and self.steps >= self.life)
    @rule()
    def end(self) -> None:
        self.outcome = self.ending
        if self.ending is Outcome.DELETED:
            self.world.run(self.world.service.delete(self.session.id))
        else:
            self.world.service.send(self.session.id, "complete" if self.ending is Outcome.COMPLETED else "fail")
            self.world.run(self.world.until(lambda: not self.session.running))

    @invariant()
    def count(self) -> None:
        self.steps += 1

    def teardown(self) -> None:
        """However it went: with the faults gone, every reader gets to the end, and has everything."""
        try:
            if self.readers:
                self._check_all_arrive()
        finally:
            self.world.calm()
            self.world.run(self._leave())

    def _check_all_arrive(self) -> None:
        for reader in self.readers.values():
            if not reader.reading and self.outcome is not Outcome.DELETED:
                self.world.run(self._come(reader))
        if self.outcome is None:
            self.end()
        self.settle()
        for reader in self.readers.values():
            self.seen[str(reader.ended), reader.lane] += 1
            if reader.ended is Outcome.DELETED:
                assert self.outcome is Outcome.DELETED or len(self.books) > 1
            elif reader.ended is not None:
                assert reader.ended is self.outcome
                assert reader.at_end()

    async def _leave(self) -> None:
        for reader in self.readers.values():
            await reader.leave()
        if self.outcome is not Outcome.DELETED and self.readers:
            await self.world.service.delete(self.session.id)


@pytest.fixture
def machine() -> Iterator[type[Lanes]]:
    with world(SETTINGS) as here:

        class Machine(Lanes):
            world = here
            seen: ClassVar[Counter[tuple[str, str]]] = Counter()

        yield Machine
        _check_much_happened(here, Machine.seen)


def _check_much_happened(here: World, seen: Counter[tuple[str, str]]) -> None:
    """A machine that only ever finds calm would find no fault."""
    for lane, relay in here.relays.items():
        here_seen = {what: count for (what, where), count in seen.items() if where == lane}
        print(lane, here_seen, relay.counts)  # noqa: T201 (for `pytest -s`)
        assert min(relay.counts.cut, relay.counts.reset) > 0
        assert {"events", "gaps", "completed", "failed", "deleted"} <= set(here_seen)


COMMON = settings(
    deadline=None, stateful_step_count=50, suppress_health_check=list(HealthCheck), print_blob=True, database=None
)


def test_what_is_read_is_what_was_appended(machine: type[Lanes]) -> None:
    run_state_machine_as_test(machine, settings=settings(COMMON, max_examples=40, derandomize=True))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_what_is_read_is_what_was_appended_in_2000_examples(machine: type[Lanes]) -> None:
    run_state_machine_as_test(machine, settings=settings(COMMON, max_examples=2000))
