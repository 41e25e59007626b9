"""Reading on, on another connection, where the one before was lost; only trials with faults do."""

from __future__ import annotations

import asyncio
import random
import time
from itertools import count
from typing import Final

import aiohttp
from yarl import URL

from streamlanes.benchmarks.engine.connections.http import client
from streamlanes.benchmarks.engine.decoding.decoder import Lost, ReadingFailed
from streamlanes.benchmarks.engine.recorder import Recorder
from streamlanes.benchmarks.engine.wires import WireReader
from streamlanes.benchmarks.spec.records import ConnectionTimes
from streamlanes.benchmarks.spec.tasks import Reconnecting

_MAX_DOUBLINGS: Final = 30
"""More would overflow a float in the end, and no delay is as long."""


class FellSilent(Lost):
    """Nothing came for too long."""


async def read_resuming(reader: WireReader, url: URL, recorder: Recorder, policy: Reconnecting) -> None:
    """Read the stream of the recorder's epoch at *url* to its end, over as many connections as that takes.

    Each begins after the last event that came. Raises ReadingFailed for what another connection wouldn't mend.
    """
    # Simulated readers' delays, not cryptography.
    rng = random.Random(f"{policy.seed}:{recorder.index}")  # noqa: S311
    expected, held = recorder.epoch, recorder.column.offsets
    failures = 0
    for attempt in count():
        had = len(held)
        begun_ns = recorder.heard_ns = time.monotonic_ns()
        if not attempt:
            recorder.request_ns = begun_ns
        lost: Exception | None = None
        try:
            await _read(reader, url.update_query(after=f"{expected}:{held[-1] if had else 0}"), recorder, policy)
        except (Lost, aiohttp.ClientError, OSError) as error:
            lost = error
        ended_ns = time.monotonic_ns()
        cut_ns = recorder.heard_ns if isinstance(lost, FellSilent) else ended_ns
        recorder.connections.append(ConnectionTimes(begun_ns, cut_ns, ended_ns))
        if recorder.epoch != expected:
            raise ReadingFailed(f"the stream is of epoch {recorder.epoch}, but {expected} was started")
        if lost is None:
            return
        failures = 1 if len(held) > had else failures + 1
        bound = policy.first_delay * 2 ** min(failures - 1, _MAX_DOUBLINGS)
        await asyncio.sleep(rng.random() * min(bound, policy.max_delay))


async def _read(reader: WireReader, url: URL, recorder: Recorder, policy: Reconnecting) -> None:
    """Read on one connection. Raises FellSilent if nothing comes for as long as *policy* allows."""
    async with client(recorder, None, _only_one()) as http:
        reading = asyncio.ensure_future(reader.read(http, url, recorder))
        try:
            while not reading.done():
                left = policy.silence - (time.monotonic_ns() - recorder.heard_ns) / 1e9
                if left <= 0:
                    raise FellSilent(f"nothing came for {policy.silence:g} s")
                await asyncio.wait([reading], timeout=left)
        finally:
            if not reading.done():
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
        reading.result()


def _only_one() -> aiohttp.TraceConfig:
    """Return hooks that refuse a session its second connection.

    Where a connection brings nothing, aiohttp would make another one by itself, and at once.
    """
    made = False

    async def before(*_: object) -> None:
        nonlocal made
        if made:
            raise Lost("the connection was lost before it brought anything")
        made = True

    hooks = aiohttp.TraceConfig()
    hooks.on_connection_create_start.append(before)
    return hooks
