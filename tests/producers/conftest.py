from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(
    config: pytest.Config,
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """All of these tests run on both event loops of servers, whose timers and readers are different code."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
