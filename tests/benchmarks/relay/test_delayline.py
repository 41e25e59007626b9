"""The delay line, with a clock of the test's own."""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamlanes.benchmarks.relay import Link
from streamlanes.benchmarks.relay.delayline import BURST, EPSILON, MAX_BYTES, MAX_CHUNKS, DelayLine
from tests.benchmarks.relay.ends import pattern

LINKS = st.builds(
    Link,
    delay=st.sampled_from([0.0, 0.05, 1.0]),
    jitter=st.sampled_from([0.0, 0.02, 3.0]),
    bandwidth=st.sampled_from([None, 3.0, 1000.0, 1e6, 1e9]),
    buffer_bytes=st.sampled_from([0, 1, 100, 10**9]),
    buffer_seconds=st.sampled_from([0.0, 0.1, math.inf]),
)
PUTS = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 500)), max_size=20)
"""Pauses, and how much is put after each."""


@dataclass
class Driven:
    """Takes out what is due at exactly the times that the line asks for."""

    line: DelayLine
    limit: float = math.inf
    out: list[tuple[float, bytes]] = field(default_factory=list)
    wake: float | None = None

    def run(self, now: float, until: float) -> None:
        while True:
            while True:
                data, self.wake = self.line.due(now, self.limit)
                if not data:
                    break
                self.out.append((now, bytes(data)))
                self.line.sent(len(data))
            if self.wake is None or self.wake > until:
                return
            assert self.wake > now or self.line.over(now), "it asks again without need"
            if self.line.over(now):
                return
            now = self.wake

    @property
    def data(self) -> bytes:
        return b"".join(data for _, data in self.out)


def made(link: Link) -> Driven:
    return Driven(DelayLine(link, random.Random(1)))


@settings(deadline=None)
@given(link=LINKS, puts=PUTS, limit=st.sampled_from([1, 7, math.inf]), second=st.none() | LINKS)
def test_all_that_is_put_comes_out_once_in_order_and_never_early(
    link: Link, puts: list[tuple[float, int]], limit: float, second: Link | None
) -> None:
    driven = made(link)
    driven.limit = limit
    now = 1000.0
    data = pattern(sum(size for _, size in puts))
    # Bytes that a buffer holds get the delay of the link that lets them go.
    least = min(max(each.delay - each.jitter, 0) for each in (link, second or link))
    given, earliest = 0, list[tuple[int, float]]()
    for number, (pause, size) in enumerate(puts):
        driven.run(now, now + pause)
        now += pause
        if number == len(puts) // 2 and second is not None:
            driven.line.link = second
        driven.line.put(data[given : given + size], now)
        given += size
        earliest.append((given, now + least))
    driven.line.end(now)
    driven.run(now, math.inf)
    assert driven.data == data
    assert driven.line.over(math.inf)
    came = 0
    for at, piece in driven.out:
        came += len(piece)
        before = next(time for end, time in earliest if came <= end)
        assert at >= before


def test_a_delay_is_exact() -> None:
    driven = made(Link(delay=2))
    driven.line.put(b"a", 10.0)
    driven.line.put(b"b", 10.5)
    driven.line.end(11.0)
    driven.run(11.0, 20)
    assert driven.out == [(12.0, b"a"), (12.5, b"b")]
    assert driven.line.over(13.0)
    assert not driven.line.over(12.9)


def test_bytes_that_were_held_are_delayed_from_when_they_came_at_the_earliest() -> None:
    driven = made(Link(buffer_bytes=100))
    driven.line.put(b"a", 10.0)
    driven.line.put(b"b", 11.0)
    driven.line.link = Link(buffer_bytes=100, buffer_seconds=0.1, delay=0.5)  # would have let "a" go before "b" came
    driven.line.end(11.0)
    driven.run(11.0, 20)
    assert driven.out == [(11.5, b"ab")]


def test_jitter_is_spread_over_its_range_and_reorders_nothing() -> None:
    driven = made(Link(delay=1, jitter=0.5))
    for n in range(400):
        driven.line.put(b"%03d" % n, n * 10.0)  # far apart, so that none waits for the one before
    driven.run(5000.0, math.inf)
    assert driven.data == b"".join(b"%03d" % n for n in range(400))

    line = DelayLine(Link(delay=1, jitter=0.5), random.Random(1))
    delays = []
    for n in range(400):
        line.put(b"x", n * 10.0)
        _, at = line.due(n * 10.0, 1)
        assert at is not None
        delays.append(at - n * 10.0)
        line.due(at, 1)
        line.sent(1)
    assert 0.5 <= min(delays) < 0.52
    assert 1.48 < max(delays) <= 1.5
    assert abs(sum(delays) / 400 - 1) < 0.05


@settings(deadline=None)
@given(
    bandwidth=st.sampled_from([5.0, 900.0, 1e5, 1e7]),
    puts=PUTS,
    lag=st.floats(0, 0.5),
    window=st.sampled_from([0.1, 0.25, 1.0]),
)
def test_no_window_brings_more_than_the_bandwidth(
    bandwidth: float, puts: list[tuple[float, int]], lag: float, window: float
) -> None:
    driven = made(Link(bandwidth=bandwidth))
    now = 50.0
    for pause, size in puts:
        driven.run(now, now + pause)
        now += pause + lag  # nobody came for what was due
        driven.line.put(bytes(size), now)
    driven.run(now, math.inf)
    most = bandwidth * (window + max(BURST, 2 / bandwidth)) + 1
    recent = deque[tuple[float, int]]()
    for at, data in driven.out:
        recent.append((at, len(data)))
        while recent[0][0] < at - window:
            recent.popleft()
        assert sum(size for _, size in recent) <= most


@pytest.mark.parametrize("bandwidth", [10.0, 12345.6, 1e6, 5e8])
def test_the_bandwidth_is_used(bandwidth: float) -> None:
    size = int(bandwidth * 2)
    driven = made(Link(bandwidth=bandwidth))
    data = bytes(min(size, MAX_BYTES))
    driven.line.put(data, 0.0)
    driven.run(0.0, math.inf)
    # Exactly, but for the rounding that each wake-up adds.
    assert driven.out[-1][0] == pytest.approx(len(data) / bandwidth, abs=EPSILON * (len(driven.out) + 1))
    idle = made(Link(bandwidth=bandwidth))
    idle.line.put(b"x", 1000.0)
    idle.run(1000.0, math.inf)
    assert idle.out[0][0] == pytest.approx(1000 + 1 / bandwidth, abs=2 * EPSILON)  # no credit for having been idle


def test_gathers_until_there_are_enough() -> None:
    driven = made(Link(buffer_bytes=100))
    driven.line.put(bytes(99), 0.0)
    driven.run(0.0, 10**6)
    assert driven.out == []
    assert driven.wake is None
    driven.line.put(bytes(31), 7.0)
    driven.run(7.0, 8)
    driven.line.put(bytes(99), 8.0)
    driven.run(8.0, 10**6)
    assert driven.out == [(7.0, bytes(130))]
    driven.line.end(9.0)
    driven.run(9.0, 10)
    assert driven.out[1:] == [(9.0, bytes(99))]


def test_gathers_for_so_long_since_the_first_byte() -> None:
    driven = made(Link(buffer_bytes=100, buffer_seconds=2, delay=1))
    driven.line.put(b"a", 0.0)
    driven.line.put(b"b", 1.9)
    driven.run(1.9, 10)
    driven.line.put(b"c", 10.0)
    driven.run(10.0, 20)
    assert driven.out == [(3.0, b"ab"), (13.0, b"c")]


def test_a_link_without_a_buffer_lets_go_what_the_one_before_held() -> None:
    driven = made(Link(buffer_bytes=100))
    driven.line.put(b"a", 0.0)
    driven.line.link = Link()
    driven.run(1.0, 2)
    assert driven.out == [(1.0, b"a")]


def test_a_stall_holds_bytes_and_end_and_loses_nothing() -> None:
    driven = made(Link())
    driven.line.put(b"a", 0.0)
    driven.line.end(0.0)
    driven.line.stall(5.0)
    driven.run(0.0, 4.9)
    assert (driven.out, driven.wake) == ([], 5.0)
    assert not driven.line.over(4.9)
    driven.run(5.0, 6)
    assert driven.out == [(5.0, b"a")]
    assert driven.line.over(5.0)


def test_the_line_is_bounded_and_takes_nothing_while_something_due_waits() -> None:
    line = DelayLine(Link(delay=1), random.Random(1))
    line.put(bytes(MAX_BYTES - 1), 0.0)
    assert line.room(0.5) == 1
    assert line.room(1.0) == 0
    line.sent(MAX_BYTES - 1)
    assert line.room(1.0) == MAX_BYTES
    for _ in range(MAX_CHUNKS):
        line.put(b"x", 1.0)
    assert line.room(1.0) == 0
    held = DelayLine(Link(buffer_bytes=10**9), random.Random(1))
    held.put(bytes(MAX_BYTES), 0.0)
    assert len(held.due(0.0, math.inf)[0]) == MAX_BYTES
