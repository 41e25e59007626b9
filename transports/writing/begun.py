"""Coroutines that are begun in one place and, only if they have to wait, ended in another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any, cast


class Begun:
    """What is left of a coroutine that waits for something; to be awaited once, by the task that is to wait."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], waits_for: object) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        # As `yield from` does it, but that the first thing to wait for is there already.
        waits_for = self._waits_for
        while True:
            proceed: Callable[[], object]
            try:
                answer = yield waits_for
            except BaseException as error:  # noqa: BLE001 (a cancellation, too, is the coroutine's)
                proceed = partial(self._coroutine.throw, error)
            else:
                proceed = partial(self._coroutine.send, answer)
            try:
                waits_for = proceed()
            except StopIteration:
                return

    def close(self) -> None:
        """Let it end without having waited."""
        self._coroutine.close()


def begin(work: Awaitable[None]) -> Begun | None:
    """Run *work*, a coroutine, up to where it has to wait; None: it is done. What it raises is raised.

    It mustn't ask which task it is in: one of them begins it, another may end it.
    """
    coroutine = cast("Coroutine[Any, Any, None]", work)
    try:
        return Begun(coroutine, coroutine.send(None))
    except StopIteration:
        return None
