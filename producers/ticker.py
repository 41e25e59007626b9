"""`ticker`: events of a given size at a constant or Poisson rate."""

from __future__ import annotations

import random
import time
from base64 import b64encode
from collections.abc import AsyncGenerator
from itertools import count as count_from
from typing import Final, Literal

from pydantic import Field

from streamlanes.producers.events import Item
from streamlanes.producers.producer import Context, Params, Producer


class TickerParams(Params):
    """Parameters of `ticker`."""

    rate: float = Field(10.0, ge=0.001, le=1_000_000)
    """Events per second, on average."""
    arrivals: Literal["constant", "poisson", "at-once"] = "constant"
    """Evenly spaced, exponentially spaced, or all due when the stream is created (which needs `count`)."""
    count: int | None = Field(None, ge=1, le=10_000_000)
    """Number of events; without it, they go on."""
    size: int = Field(64, ge=32, le=65_536)
    """Bytes of each event's JSON text."""
    delay: float = Field(0.0, ge=0, le=3_600)
    """Seconds from the stream's creation to its first event, for readers to come in."""
    begin_at: float | None = Field(None, ge=0, le=1e11)
    """Unix time from which `delay` counts, in the place of the creation: streams of several servers begin in step."""
    burst: float = Field(3_600.0, ge=0.01, le=3_600)
    """Seconds for which events come between two pauses."""
    pause: float = Field(0.0, ge=0, le=3_600)
    """Seconds without events after each burst."""
    seed: int = Field(1, ge=0, le=2**63 - 1)

    def model_post_init(self, _context: object) -> None:
        """Refuse an endless flood."""
        if self.arrivals == "at-once" and self.count is None:
            raise ValueError("arrivals=at-once needs a count")


def payload(n: int, size: int, rng: random.Random) -> dict[str, int | str]:
    """Return a value of *size* bytes as compact JSON: the number, and a text of which half is random.

    Half, since constant text would flatter compression and random text would defeat it.
    """
    length = size - len(f'{{"n":{n},"text":""}}')
    noise = b64encode(rng.randbytes(max(length * 3 // 8, 0))).decode().rstrip("=")
    return {"n": n, "text": noise[: max(length, 0)].ljust(length, ".")}


async def ticker(params: TickerParams, context: Context) -> AsyncGenerator[Item, None]:
    """Yield numbered events; the same ones at the same times after the start for the same seed."""
    # Simulated arrivals and payloads, not cryptography.
    rng = random.Random(params.seed)  # noqa: S311
    interval = 1e9 / params.rate
    begin_ns = context.start_ns + round(params.delay * 1e9)
    if params.begin_at is not None:
        begin_ns += time.monotonic_ns() - context.start_ns + round((params.begin_at - time.time()) * 1e9)
    burst_ns, pause_ns = round(params.burst * 1e9), round(params.pause * 1e9)
    elapsed = 0.0
    for n in count_from(1):
        if params.count is not None and n > params.count:
            return
        at_ns = round(elapsed)
        yield Item(payload(n, params.size, rng), due_ns=begin_ns + at_ns + at_ns // burst_ns * pause_ns)
        if params.arrivals == "constant":
            elapsed = n * interval
        elif params.arrivals == "poisson":
            elapsed += rng.expovariate(1) * interval


PRODUCER: Final = Producer("ticker", TickerParams, ticker)
