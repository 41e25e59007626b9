"""From a value to JSON text. `json.dumps` by itself is the reference that all other steps are told as multiples of."""

from __future__ import annotations

import json

from pytest_benchmark.fixture import BenchmarkFixture

from streamlanes.producers.events import Event, encode_json
from tests.micro.streams import make_values


def test_json_dumps(benchmark: BenchmarkFixture, size: int, count: int) -> None:
    values = make_values(size, count)
    texts = benchmark(lambda: [json.dumps(value) for value in values])
    assert [json.loads(text) for text in texts] == values


def test_encode_json(benchmark: BenchmarkFixture, size: int, count: int, events: list[Event]) -> None:
    values = make_values(size, count)
    assert benchmark(lambda: [encode_json(value) for value in values]) == [event.data for event in events]
