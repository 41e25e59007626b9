"""Events that are taken at once come out as those that are taken one by one, whatever is among them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlanes.benchmarks.engine.decoding.decoder import Decoder, ReadingFailed
from streamlanes.benchmarks.engine.decoding.uniform_runs import PIECE, SHORTEST, find_run
from streamlanes.benchmarks.engine.wires.ndjson import NDJSONDecoder
from streamlanes.benchmarks.engine.wires.sse import SSEDecoder
from streamlanes.producers.events import Cursor, Event, Outcome
from streamlanes.transports.framing import Framing, NDJSONFraming, SSEFraming

WIRES: Final[dict[Callable[[], Decoder], Framing[bytes]]] = {SSEDecoder: SSEFraming(), NDJSONDecoder: NDJSONFraming()}
WIRE: Final = st.sampled_from([*WIRES])
EVENT: Final = re.compile(rb"id: ([0-9a-z]+):([0-9]+)\ndata: (.*)\n\n")
PLACES: Final = st.integers(0, 30_000)

Outcomes = tuple[list[int], bytes, bytes, str | None, int] | type[ReadingFailed]


@st.composite
def streams(draw: st.DrawFn, framing: Framing[bytes]) -> bytes:
    """Draw a stream with runs in it: of events as long as each other, with anything that may come between them."""
    offsets = itertools.count(draw(st.sampled_from([1, 85, 990])))
    wire = [framing.open(Cursor("e1", 0), 15)]
    for length, count in draw(st.lists(st.tuples(st.integers(1, 90), st.integers(1, 90)), min_size=1, max_size=5)):
        kind = draw(st.sampled_from(["message", "message", "delta"]))
        wire.append(framing.events("e1", [Event(n, kind, f'"{n % 10}{"é" * length}"') for n in _next(offsets, count)]))
        wire.append(draw(st.sampled_from([b"", framing.ping(), framing.gap(Cursor("e1", 1), Cursor("e1", 9), 8)])))
    return b"".join([*wire, framing.end(Cursor("e1", next(offsets)), Outcome.COMPLETED)])


def _next(numbers: itertools.count[int], count: int) -> list[int]:
    return list(itertools.islice(numbers, count))


def outcome(decoder: Decoder, chunks: Sequence[bytes]) -> Outcomes:
    """Return what *chunks* are to *decoder*: the events and what it has learned besides, or that it refuses them."""
    try:
        pieces = [decoder.feed(chunk) for chunk in chunks]
    except ReadingFailed:
        return ReadingFailed
    offsets = [offset for piece in pieces for offset in piece.offsets]
    place = decoder.place
    return (
        offsets,
        b"\n".join(text for piece in pieces for text in piece.data),
        place.epoch,
        place.outcome,
        place.missing,
    )


def cut(content: bytes, places: Sequence[int]) -> list[bytes]:
    bounds = [0, *sorted(min(place, len(content)) for place in places), len(content)]
    return [content[start:stop] for start, stop in itertools.pairwise(bounds)]


def one_by_one(content: bytes) -> list[bytes]:
    """Cut *content* so that nothing of it is looked at for runs."""
    return cut(content, range(0, len(content), 7))


@given(data=st.data(), decoder=WIRE, cuts=st.lists(PLACES, max_size=4))
def test_runs_are_what_their_events_are(data: st.DataObject, decoder: Callable[[], Decoder], cuts: list[int]) -> None:
    content = data.draw(streams(WIRES[decoder]))
    expected = outcome(decoder(), one_by_one(content))
    assert expected is not ReadingFailed
    assert outcome(decoder(), cut(content, cuts)) == expected


@given(
    data=st.data(), decoder=WIRE, at=PLACES, put=st.sampled_from([b"\n", b"\n\n", b"\r", b"0", b"}", b'"', b":", b""])
)
def test_what_is_wrong_in_a_run_is_what_is_wrong_in_an_event(
    data: st.DataObject, decoder: Callable[[], Decoder], at: int, put: bytes
) -> None:
    content = bytearray(data.draw(streams(WIRES[decoder])))
    place = at % len(content)
    content[place : place + data.draw(st.integers(0, 2))] = put
    assert outcome(decoder(), [bytes(content)]) == outcome(decoder(), one_by_one(bytes(content)))


def plain(offsets: Sequence[int]) -> bytes:
    return SSEFraming().events("e1", [Event(n, "message", f'{{"n":{n}}}') for n in offsets])


def test_a_run_ends_where_events_get_longer() -> None:
    content = plain(range(1, 200))
    runs = []
    for first in (1, 10, 100):
        place = content.index(b"id: e1:%d\n" % first)
        run = find_run(content, place, EVENT)
        runs.append(run and (run.epoch, run.offsets.tolist(), content[run.end :][:10]))
    assert runs == [
        None,  # nine are too few
        (b"e1", [*range(10, 100)], b"id: e1:100"),
        (b"e1", [*range(100, 200)], b""),
    ]


@pytest.mark.parametrize("other", [b"id: e2:55\n", b"id: e1:5x\n", b"id: e1:055"])
def test_a_run_ends_at_what_looks_otherwise(other: bytes) -> None:
    run = find_run(plain(range(10, 100)).replace(b"id: e1:55\n", other), 0, EVENT)
    assert run is not None
    assert run.offsets.tolist() == [*range(10, 55)]
    assert run.text == b"\n".join(b'{"n":%d}' % n for n in range(10, 55))


def test_numbers_are_as_they_came() -> None:
    places = [123_456_789_012_345_678, 999_999_999_999_999_999, *range(10**17, 10**17 + SHORTEST)]
    run = find_run(plain(places), 0, EVENT)
    assert run is not None
    assert run.offsets.tolist() == places


def test_few_events_are_no_run() -> None:
    assert find_run(plain(range(10, 10 + SHORTEST - 1)), 0, EVENT) is None
    assert find_run(plain(range(10, 10 + SHORTEST)), 0, EVENT) is not None


@pytest.mark.parametrize("decoder", WIRES)
def test_most_of_a_stream_at_full_speed_is_runs(decoder: Callable[[], Decoder]) -> None:
    framing = WIRES[decoder]
    content = framing.ping() + framing.events("e1", [Event(n, "message", '"text"') for n in range(1_000, 9_000)])
    events = decoder().feed(content)
    assert events.offsets.tolist() == [*range(1_000, 9_000)]
    assert len(events.data) <= PIECE // len('"text"')
