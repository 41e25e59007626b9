"""Fault values and schedules."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlanes.benchmarks.relay import (
    Cut,
    DropResponse,
    Fault,
    HalfOpen,
    Link,
    Reset,
    Stall,
    always,
    cut_between,
    every,
    plan,
)
from streamlanes.benchmarks.relay.faults import at_bytes


@given(seed=st.integers(), index=st.integers(0, 10**6), least=st.integers(0, 10**6), size=st.integers(1, 10**6))
def test_a_connections_plan_depends_on_seed_and_index_only(seed: int, index: int, least: int, size: int) -> None:
    schedule = cut_between(least, least + size)
    (fault,) = plan(schedule, seed, index)
    assert isinstance(fault, Cut)
    assert least <= fault.after_bytes < least + size
    plan(schedule, seed, index + 1)
    assert [fault] == plan(schedule, seed, index)


def test_connections_and_seeds_differ() -> None:
    schedule = cut_between(0, 10**9)
    plans = {str(plan(schedule, seed, index)) for seed in range(10) for index in range(10)}
    assert len(plans) == 100
    assert {direction for direction in ("up", "down") if any(f"'{direction}'" in each for each in plans)} == {
        "up",
        "down",
    }


def test_every_nth() -> None:
    schedule = every(3, always(Reset(after_bytes=1)))
    assert [len(plan(schedule, 0, index)) for index in range(7)] == [0, 0, 1, 0, 0, 1, 0]


def test_faults_come_in_the_order_of_their_bytes() -> None:
    faults: list[Fault] = [
        Cut(after_bytes=9),
        Stall(after_bytes=3, seconds=1),
        HalfOpen(direction="up"),
        DropResponse(),
    ]
    assert at_bytes("down", faults) == [faults[1], faults[0]]
    assert at_bytes("up", faults) == [faults[2]]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Link(delay=-1),
        lambda: Link(jitter=math.inf),
        lambda: Link(bandwidth=0),
        lambda: Link(bandwidth=math.nan),
        lambda: Link(buffer_bytes=-1),
        lambda: Link(buffer_seconds=-0.1),
        lambda: Cut(after_bytes=-1),
        lambda: Stall(seconds=-1),
        lambda: Stall(seconds=math.nan),
        lambda: Stall(seconds=1, after_bytes=-1),
        lambda: DropResponse(request=0),
        lambda: cut_between(5, 5),
        lambda: cut_between(-1, 5),
        lambda: every(0, always()),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"0|1"):
        make()
