"""What a reader must receive: the producer's own generator, run once more."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from streamlanes.benchmarks.spec.sessions import SessionPlan
from streamlanes.producers.catalogue import PRODUCERS
from streamlanes.producers.events import encode_json
from streamlanes.producers.producer import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A stream in three numbers. Producers are seeded and pure, so the server's stream has the same ones."""

    events: int
    checksum: int
    """CRC-32 of the events' data in order, a newline after each."""
    first_ns: int
    """Nanoseconds from the stream's creation to when its first event is due."""
    duration_ns: int
    """Nanoseconds from the stream's creation (of an echo: from the schedule's begin) to when its last event is due."""


def expect(sessions: Sequence[SessionPlan]) -> list[Expected]:
    """Return what each session's stream consists of. Raises pydantic.ValidationError for params out of range."""
    return asyncio.run(_expect_all(sessions))


async def _expect_all(sessions: Sequence[SessionPlan]) -> list[Expected]:
    return [await _expect(session) for session in sessions]


async def _expect(session: SessionPlan) -> Expected:
    events = checksum = first_ns = duration_ns = 0
    # What is echoed is what is sent, and that is what `ticker` makes.
    messages = session.messages
    producer, params = (session.producer, session.params) if messages is None else ("ticker", messages.params)
    async with aclosing(PRODUCERS[producer].start(params, Context(start_ns=0))) as items:
        async for item in items:
            events += 1
            checksum = zlib.crc32(encode_json(item.value).encode() + b"\n", checksum)
            duration_ns = item.due_ns or 0
            if events == 1:
                first_ns = duration_ns
    return Expected(events=events, checksum=checksum, first_ns=first_ns, duration_ns=duration_ns)
