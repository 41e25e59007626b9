"""The correctness gate: each kind of fault is found, and told from the others."""

from __future__ import annotations

import dataclasses
import random
import zlib
from array import array
from collections.abc import Sequence

import pytest

from streamlanes.benchmarks.analysis.gate import Correctness, judge, total
from streamlanes.benchmarks.kinds.load import Load
from streamlanes.benchmarks.kinds.rtt import Rtt
from streamlanes.benchmarks.kinds.saturated import Saturated
from streamlanes.benchmarks.spec.expected import Expected, expect
from streamlanes.benchmarks.spec.records import Column, Reader
from streamlanes.producers import ticker
from streamlanes.producers.events import encode_json

DATA = [b'"a"', b'"b"', b'"c"', b'"d"', b'"e"']
EXPECTED = Expected(events=5, checksum=zlib.crc32(b"".join(item + b"\n" for item in DATA)), first_ns=0, duration_ns=0)


def reader(events: int, checksum: int = EXPECTED.checksum) -> Reader:
    return Reader(
        index=0,
        epoch="e1",
        scheduled_ns=0,
        request_ns=0,
        connect_ns=0,
        ended_ns=0,
        events=events,
        sent=0,
        checksum=checksum,
        outcome="completed",
        missing=0,
        error=None,
    )


def verdict_on(offsets: Sequence[int]) -> Correctness:
    return judge(reader(len(offsets)), Column(array("q", offsets), array("q", offsets)), EXPECTED)


@pytest.mark.parametrize(
    ("offsets", "verdict"),
    [
        ([1, 2, 3, 4, 5], Correctness()),
        ([1, 2, 4, 5], Correctness(lost=1)),
        ([], Correctness(lost=5)),
        ([1, 2, 2, 3, 4, 5], Correctness(repeated=1)),
        ([1, 3, 2, 4, 5], Correctness(reordered=1)),
        ([1, 5, 2, 3, 4], Correctness(reordered=3)),
        ([1, 2, 3, 4, 5, 6], Correctness(unexpected=1)),
        ([0, 1, 2, 3, 4, 5], Correctness(unexpected=1)),
        ([5, 5, 1, 9], Correctness(lost=3, repeated=1, reordered=1, unexpected=1)),
    ],
)
def test_sequence(offsets: list[int], verdict: Correctness) -> None:
    assert verdict_on(offsets) == verdict
    assert verdict.ok == (offsets == [1, 2, 3, 4, 5])


def test_any_one_loss_is_found() -> None:
    rng = random.Random(1)
    expected = dataclasses.replace(EXPECTED, events=1_000)
    for _ in range(50):
        offsets = array("q", range(1, 1_001))
        del offsets[rng.randrange(1_000)]
        assert judge(reader(999), Column(offsets, offsets), expected) == Correctness(lost=1)


def test_changed_data() -> None:
    offsets = array("q", range(1, 6))
    assert judge(reader(5, checksum=1), Column(offsets, offsets), EXPECTED) == Correctness(corrupt=1)


@pytest.mark.parametrize(
    ("changes", "failure"),
    [
        ({"error": "cut"}, "cut"),
        ({"outcome": "failed"}, "the stream ended as failed"),
        ({"outcome": None}, "the stream ended as None"),
    ],
)
def test_failures(changes: dict[str, str | None], failure: str) -> None:
    offsets = array("q", range(1, 6))
    broken = Reader(**{**dataclasses.asdict(reader(5)), **changes})
    assert judge(broken, Column(offsets, offsets), EXPECTED) == Correctness(failures=(failure,))


def test_total_and_words() -> None:
    together = total(
        [
            Correctness(lost=2),
            Correctness(lost=1, corrupt=1),
            Correctness(failures=("cut",)),
            Correctness(failures=("x",)),
        ]
    )
    assert together == Correctness(lost=3, corrupt=1, failures=("cut", "x"))
    assert together.faults() == "3 lost, 1 readers with other data than the producer's, cut (and 1 more readers)"


def test_expected_is_what_the_producer_makes() -> None:
    load = Load(clients=2, text="a b", count=3, ttft=1.0, sigma=0.0, rate=10.0)
    first, second = expect(load.sessions(seed=1, round_number=1))
    assert first.events == 3
    assert first.checksum == zlib.crc32(b'"a"\n" b"\n"a"\n') == second.checksum
    assert (first.first_ns, first.duration_ns) == (1_000_000_000, 1_200_000_000)
    (workload,) = Saturated(events=100).workloads(seed=3, round_number=1)
    (shared,) = workload.expected
    assert (shared.events, shared.duration_ns) == (100, 0)


def test_expected_of_an_echo_is_what_is_sent() -> None:
    rtt = Rtt(clients=2, messages=3, rate=10.0, size=64)
    planned = rtt.conversations(seed=1, round_number=1)
    for session, expected in zip(planned, expect(planned), strict=True):
        assert session.messages is not None
        rng = random.Random(int(session.messages.params["seed"]))
        sent = [encode_json(ticker.payload(n, 64, rng)).encode() for n in (1, 2, 3)]
        assert [len(message) for message in sent] == [64] * 3
        assert expected.checksum == zlib.crc32(b"".join(message + b"\n" for message in sent))
        assert (expected.events, expected.duration_ns) == (3, 200_000_000)
        other = Column(array("q", [1, 2, 3]), array("q", [1, 2, 3]))
        assert judge(reader(3, checksum=expected.checksum), other, expected) == Correctness()
        assert judge(reader(3, checksum=1), other, expected) == Correctness(corrupt=1)
