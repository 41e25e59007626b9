"""Lanes with a known fault, for the harness to find: `sse`, but each batch 5 ms later, or without 1 % of its events.

They are installed as any other package's lanes are, by entry points in a folder on PYTHONPATH.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Response
from starlette.responses import StreamingResponse

from streamlanes.producers.events import Event, parse_after
from streamlanes.producers.wire import SSE, Wire
from streamlanes.transports.follow import StreamingLane
from streamlanes.transports.framing import SSEFraming
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.transport import Transport

LATER: Final = 0.005
"""Seconds."""
EVERY: Final = 100
"""Events of which one is dropped."""


class Dropping(SSEFraming):
    """Leaves events out, and says nothing of it."""

    def events(self, epoch: str, events: Sequence[Event]) -> bytes:
        return super().events(epoch, [event for event in events if event.offset % EVERY])


@dataclass(frozen=True, slots=True, kw_only=True)
class Faulty:
    """Server-sent events with a fault."""

    name: str
    delay: float = 0.0
    drops: bool = False
    wire: Wire = SSE

    def router(self, service: StreamService) -> APIRouter:
        router = APIRouter()
        lane = StreamingLane(service, self.name, Dropping() if self.drops else SSEFraming())

        @router.get(f"/{self.name}/{{stream}}", name=self.name)
        async def stream_events(stream: str, after: str = "start") -> Response:
            frames = lane.follow(stream, await lane.open(stream, parse_after(after))).frames()
            return StreamingResponse(_late(frames, self.delay), media_type="text/event-stream")

        return router


async def _late(frames: AsyncGenerator[bytes, None], delay: float) -> AsyncGenerator[bytes, None]:
    async with aclosing(frames):
        async for frame in frames:
            await asyncio.sleep(delay)
            yield frame


PUNCTUAL: Final[Transport] = Faulty(name="punctual")
LATE: Final[Transport] = Faulty(name="late", delay=LATER)
LOSSY: Final[Transport] = Faulty(name="lossy", drops=True)


def install(folder: Path) -> None:
    """Leave in *folder* what makes them lanes of every server that has it on its PYTHONPATH."""
    package = folder / "faulty_lanes-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty-lanes\nVersion: 1.0\n")
    lanes = "\n".join(f"{name.lower()} = {__name__}:{name}" for name in ("PUNCTUAL", "LATE", "LOSSY"))
    (package / "entry_points.txt").write_text(f"[streamlanes.transports]\n{lanes}\n")
