from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

from streamlanes.benchmarks.relay import Direction


def pytest_asyncio_loop_factories(
    config: pytest.Config,
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """All of these tests run on both event loops, whose socket calls and timers are different code."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=["up", "down"])
def direction(request: pytest.FixtureRequest) -> Direction:
    found: Direction = request.param
    return found
