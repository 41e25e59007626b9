"""The event loop of the benchmarks' own processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib import import_module


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's, where it is installed; None: asyncio's own."""
    try:
        return import_module("uvloop").new_event_loop  # type: ignore[no-any-return]  # the module's own function
    except ModuleNotFoundError:
        return None
