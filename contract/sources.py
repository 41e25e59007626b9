"""Producers for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

from streamlanes.producers.catalogue import PRODUCERS
from streamlanes.producers.events import JSON, Item
from streamlanes.producers.producer import Context, Params, Producer


class NoParams(Params):
    """None."""


AWKWARD: Final[tuple[Item, ...]] = (
    Item("plain"),
    Item("line\nbreaks\r\nand\rreturns\n\n"),
    Item("data: x\n\nid: 9\nevent: evil\n\n"),
    Item("\u2028\u2029\u0085\v\f\x1c nul \0 bom \ufeff"),
    Item("🙂 é \ud800 lone"),
    Item({"nested": [1, 2.5, -0.0, 1e300, True, None, {"": '}],"data":'}]}, type="order.created"),
    Item(None, type="nothing"),
    Item([], type="x" * 64),
    Item(12345678901234567890),
    Item(""),
    Item(0.1),
    Item("x" * 100_000, type="big"),
    Item({"data": 1, "control": "end", "outcome": "completed", "id": "e:1"}),
)


async def awkward(_: NoParams, __: Context) -> AsyncGenerator[Item, None]:
    """Every kind of value that a wire could trip over."""
    for item in AWKWARD:
        yield item


async def failing(_: NoParams, __: Context) -> AsyncGenerator[Item, None]:
    """Three items, then an error."""
    for n in range(3):
        yield Item(n)
    raise RuntimeError("secret: the database password is hunter2")


async def silent(_: NoParams, __: Context) -> AsyncGenerator[Item, None]:
    """Three items, then nothing for ever."""
    for n in range(3):
        yield Item(n)
    await asyncio.Event().wait()


class Fed:
    """A producer that yields what the test feeds it; `None` ends it."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[JSON] = asyncio.Queue()

    async def produce(self, _: NoParams, __: Context) -> AsyncGenerator[Item, None]:
        """Yield until None."""
        while (value := await self.queue.get()) is not None:
            yield Item(value)


def sources(fed: Fed | None = None) -> Mapping[str, Producer[Any]]:
    """The built-in producers and the ones above."""
    made = {name: Producer(name, NoParams, produce) for name, produce in
            [("awkward", awkward), ("failing", failing), ("silent", silent)]}  # fmt: skip
    if fed is not None:
        made["fed"] = Producer("fed", NoParams, fed.produce)
    return {**PRODUCERS, **made}
