"""Lane `poll-single`: long polling as textbooks have it, one event a response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter

from streamlanes.producers.events import JSON, encode_json
from streamlanes.producers.log.event_log import Batch
from streamlanes.producers.wire import LONG_POLL, Wire
from streamlanes.transports.baselines.messages import parsed
from streamlanes.transports.framing import FrameCache
from streamlanes.transports.poll import poll_router
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.transport import Transport


@dataclass(frozen=True, slots=True)
class SinglePollLane:
    """A question for each event; each answer serialised for its reader."""

    name: str = "poll-single"
    wire: Wire = LONG_POLL

    def router(self, service: StreamService) -> APIRouter:
        cache = FrameCache(parsed)

        def body(stream: str, batch: Batch) -> bytes:
            messages = cache.frame(stream, batch) if batch.events else ()
            fields: dict[str, JSON] = {
                "events": [message.json_object() for message in messages],
                "cursor": str(batch.cursor),
                "done": batch.outcome is not None,
            }
            if batch.outcome is not None:
                fields["outcome"] = batch.outcome
            return encode_json(fields).encode()

        told = "As on `poll`, with one event at most."
        return poll_router(service, self.name, "Ask for the next event, and wait for it", told, body, most=1)


TRANSPORT: Final[Transport] = SinglePollLane()
