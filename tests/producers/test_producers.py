from __future__ import annotations

import json
import statistics
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamlanes.producers.catalogue import PRODUCERS
from streamlanes.producers.events import Item, encode_json
from streamlanes.producers.producer import Context
from streamlanes.producers.tokens import SAMPLE, split


async def items(producer: str, start_ns: int = 0, **params: object) -> list[Item]:
    return [item async for item in PRODUCERS[producer].start(params, Context(start_ns=start_ns))]


def gaps(produced: list[Item]) -> list[float]:
    dues = [item.due_ns for item in produced if item.due_ns is not None]
    assert len(dues) == len(produced)
    return [(after - before) / 1e9 for before, after in pairwise(dues)]


@given(st.text())
def test_tokens_joined_are_the_text(text: str) -> None:
    assert "".join(split(text)) == text


async def test_the_sample_is_about_300_tokens_in_under_ten_seconds() -> None:
    produced = await items("tokens")
    assert 250 <= len(produced) <= 350
    assert "".join(str(item.value) for item in produced) == SAMPLE
    assert produced[-1].due_ns is not None
    assert 3e9 < produced[-1].due_ns < 10e9


async def test_token_times_are_lognormal_about_the_given_means() -> None:
    produced = await items("tokens", count=20_000, rate=100, ttft=1, sigma=0.5)
    times = gaps(produced)
    assert statistics.mean(times) == pytest.approx(0.01, rel=0.03)
    assert statistics.median(times) == pytest.approx(0.01 * 2.718281828 ** (-(0.5**2) / 2), rel=0.03)
    firsts = [(await items("tokens", text="x", ttft=1, seed=seed))[0].due_ns for seed in range(500)]
    assert statistics.mean(due / 1e9 for due in firsts if due is not None) == pytest.approx(1, rel=0.1)


async def test_without_spread_tokens_are_evenly_spaced() -> None:
    produced = await items("tokens", 10**9, text="a b c", rate=10, ttft=0.5, sigma=0)
    assert [item.due_ns for item in produced] == [1_500_000_000, 1_600_000_000, 1_700_000_000]


async def test_count_repeats_the_text() -> None:
    assert [item.value for item in await items("tokens", text="a b", count=5)] == ["a", " b", "a", " b", "a"]


async def test_ticks_are_spaced_without_drift() -> None:
    produced = await items("ticker", 5, rate=3, count=1000)
    assert produced[0].due_ns == 5
    assert produced[-1].due_ns == 5 + round(999 / 3 * 1e9)


async def test_poisson_ticks_have_exponential_gaps() -> None:
    times = gaps(await items("ticker", rate=50, count=20_000, arrivals="poisson"))
    assert statistics.mean(times) == pytest.approx(0.02, rel=0.03)
    assert statistics.stdev(times) == pytest.approx(0.02, rel=0.05)


async def test_ticks_at_once_are_all_due_at_the_start() -> None:
    assert {item.due_ns for item in await items("ticker", 9, count=10, arrivals="at-once")} == {9}


@given(size=st.integers(32, 2000), seed=st.integers(0, 100))
async def test_ticks_are_of_the_given_size_and_numbered(size: int, seed: int) -> None:
    produced = await items("ticker", count=12, size=size, seed=seed)
    texts = [encode_json(item.value) for item in produced]
    assert [len(text.encode()) for text in texts] == [size] * 12
    assert [json.loads(text)["n"] for text in texts] == list(range(1, 13))


async def test_ticks_are_partly_random_and_partly_not() -> None:
    import zlib

    text = "".join(encode_json(item.value) for item in await items("ticker", count=200, size=1000)).encode()
    assert 0.3 < len(zlib.compress(text)) / len(text) < 0.7


@pytest.mark.parametrize("producer", ["tokens", "ticker"])
async def test_the_same_seed_gives_the_same_stream_and_another_gives_another(producer: str) -> None:
    first = await items(producer, count=50, seed=7)
    assert first == await items(producer, count=50, seed=7)
    assert first != await items(producer, count=50, seed=8)


@pytest.mark.parametrize(
    ("producer", "params", "field"),
    [
        ("tokens", {"text": ""}, "text"),
        ("tokens", {"text": "x" * 400_001}, "text"),
        ("tokens", {"rate": 0}, "rate"),
        ("tokens", {"rate": "nan"}, "rate"),
        ("tokens", {"ttft": float("inf")}, "ttft"),
        ("tokens", {"count": 0}, "count"),
        ("tokens", {"file": "/etc/passwd"}, "file"),
        ("ticker", {"size": 31}, "size"),
        ("ticker", {"size": 65_537}, "size"),
        ("ticker", {"rate": -1}, "rate"),
        ("ticker", {"arrivals": "never"}, "arrivals"),
        ("ticker", {"arrivals": "at-once"}, None),
    ],
)
def test_parameters_out_of_bounds_are_named(producer: str, params: dict[str, Any], field: str | None) -> None:
    with pytest.raises(ValidationError) as told:
        PRODUCERS[producer].start(params, Context(start_ns=0))
    assert told.value.errors()[0]["loc"] == (() if field is None else (field,))


async def test_ticks_in_bursts_are_the_same_ones_with_pauses_between() -> None:
    steady, bursts = (
        await items("ticker", count=7, rate=10),
        await items("ticker", count=7, rate=10, burst=0.25, pause=1),
    )
    assert [item.value for item in steady] == [item.value for item in bursts]
    assert gaps(steady) == pytest.approx([0.1] * 6)
    assert gaps(bursts) == pytest.approx([0.1, 0.1, 1.1, 0.1, 1.1, 0.1])


async def test_streams_that_begin_in_step() -> None:
    """Whenever they are created."""
    at = time.time() + 10
    begin_ns = time.monotonic_ns() + 10 * 10**9
    for start_ns in (0, time.monotonic_ns()):
        (first, *_) = await items("ticker", start_ns, count=2, begin_at=at, delay=0.5)
        assert first.due_ns == pytest.approx(begin_ns + 5 * 10**8, abs=50_000_000)
