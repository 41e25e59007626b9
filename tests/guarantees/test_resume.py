"""Cut anywhere, in either direction, any number of times: the sequence of ids is the log's, on every lane."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamlanes.benchmarks.relay import Cut, DropResponse, Fault, Link, Relay, Reset, Schedule, Shape, Stall
from streamlanes.clients import Options
from streamlanes.contract.sources import AWKWARD
from streamlanes.producers.events import Cursor, Event, Item, Outcome
from streamlanes.transports import Settings
from tests.guarantees.world import CLIENTS, LANES, World, world

OPTIONS = Options(first_delay=0.001, max_delay=0.002, attempts=1000, open_timeout=5)
ITEMS = (*(Item(n) for n in range(20)), *AWKWARD, *(Item("x" * n, "tick") for n in range(0, 3000, 100)))

# Most of what a connection carries is one long event, and before it there are the heads and a few hundred bytes.
BYTES = st.integers(0, 900) | st.integers(0, 20_000) | st.integers(0, 160_000)
DIRECTIONS = st.sampled_from(["up", "down"])
KINDS: st.SearchStrategy[type[Cut | Reset]] = st.sampled_from([Cut, Reset])
LINKS = st.builds(
    Link,
    delay=st.sampled_from([0.0, 0.002]),
    jitter=st.sampled_from([0.0, 0.002]),
    bandwidth=st.sampled_from([None, 2_000_000, 10_000_000]),
    buffer_bytes=st.sampled_from([0, 1, 100, 5_000]),
    buffer_seconds=st.just(0.005),
)
FAULTS: st.SearchStrategy[Fault] = (
    st.builds(Cut, direction=DIRECTIONS, after_bytes=BYTES)
    | st.builds(Reset, direction=DIRECTIONS, after_bytes=BYTES)
    | st.builds(DropResponse, request=st.integers(1, 4))
    | st.builds(Stall, direction=DIRECTIONS, after_bytes=BYTES, seconds=st.sampled_from([0.0, 0.01]))
    | st.builds(Shape, link=LINKS, direction=DIRECTIONS)
)
CONNECTIONS = st.lists(st.lists(FAULTS, max_size=3), max_size=6)


@pytest.fixture(params=LANES)
def lane(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def here() -> Iterator[World]:
    with world(Settings(session_ttl=3600, heartbeat=0.2)) as made:
        made.stream = made.run(ended(made, ITEMS))
        yield made


async def ended(here: World, items: Sequence[Item]) -> str:
    """A stream that has ended with these."""
    session = await here.service.start("told", {})
    await here.service.append(session.id, items)
    here.service.send(session.id, "complete")
    await here.until(lambda: not session.running)
    return session.id


async def log_of(here: World, stream: str) -> Sequence[Event]:
    return (await here.service.read(stream, "start", limit=10_000, max_bytes=10**9, wait=0)).events


def suffering(relay: Relay, connections: Sequence[Sequence[Fault]]) -> Schedule:
    """The next connections suffer these, one after the other, and those after them nothing."""
    first = relay.counts.accepted

    def schedule(index: int, _: random.Random) -> Sequence[Fault]:
        return connections[index - first] if index - first < len(connections) else ()

    return schedule


async def read_through(here: World, lane: str, stream: str, connections: Sequence[Sequence[Fault]]) -> None:
    """Read it all through a relay, from the start; it is what the log has."""
    relay = here.relays[lane]
    relay.faults = suffering(relay, connections)
    async with CLIENTS[lane].connect(f"{relay.url}/{lane}/{stream}", options=OPTIONS) as reading:
        events = [event async for event in reading]
    log = await log_of(here, stream)
    assert events == list(log)
    assert reading.outcome is Outcome.COMPLETED
    assert reading.cursor is not None
    assert reading.cursor.offset == len(log)


@given(connections=CONNECTIONS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cuts_at_any_byte_lose_nothing_and_repeat_nothing(
    here: World, lane: str, connections: list[list[Fault]]
) -> None:
    here.run(read_through(here, lane, here.stream, connections))


@given(after_bytes=st.lists(st.integers(150, 1200), min_size=20, max_size=40), kind=KINDS)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_number_of_cuts_and_yet_it_gets_on(
    here: World, lane: str, after_bytes: list[int], kind: type[Cut | Reset]
) -> None:
    here.run(read_through(here, lane, here.stream, [[kind(after_bytes=count)] for count in after_bytes]))


SHORT = tuple(Item(value) for value in ("a", 12, [3, 4], "ü\u2028\n"))


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", [Cut, Reset])
def test_every_single_byte_of_a_short_stream_down(here: World, lane: str, kind: type[Cut | Reset]) -> None:
    stream = here.run(ended(here, SHORT))
    for count in range(1400):
        here.run(read_through(here, lane, stream, [[kind(after_bytes=count)]]))
    assert here.relays[lane].connections[-1].down < 1400


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_every_single_byte_of_its_requests_up(here: World, lane: str) -> None:
    stream = here.run(ended(here, SHORT))
    for count in range(700):
        here.run(read_through(here, lane, stream, [[Cut(direction="up", after_bytes=count)]]))
    assert here.relays[lane].connections[-1].up < 700


@given(places=st.lists(st.integers(0, len(ITEMS)), min_size=1, max_size=5))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_new_reader_goes_on_where_another_one_was(here: World, lane: str, places: list[int]) -> None:
    """In another process, say, with nothing but the cursor."""

    async def read() -> None:
        log = await log_of(here, here.stream)
        epoch = here.service.sessions[here.stream].cursor.epoch
        for place in places:
            url = f"{here.relays[lane].url}/{lane}/{here.stream}"
            async with CLIENTS[lane].connect(url, after=Cursor(epoch, place), options=OPTIONS) as stream:
                assert [event async for event in stream] == list(log[place:])

    here.run(read())
