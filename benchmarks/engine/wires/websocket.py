"""WebSocket: a JSON object a text message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import aiohttp
from yarl import URL

from streamlanes.benchmarks.engine.connections.upgrade import read_messages
from streamlanes.benchmarks.engine.decoding.decoder import Events, Position
from streamlanes.benchmarks.engine.decoding.json_message import take_message
from streamlanes.benchmarks.engine.decoding.uniform_runs import UniformRun, take_run
from streamlanes.benchmarks.engine.recorder import Recorder
from streamlanes.benchmarks.engine.sending import FRAME, Sender
from streamlanes.producers.wire import WEBSOCKET


class WebSocketDecoder:
    """A message is whole; `Frames` has seen to that."""

    def __init__(self) -> None:
        self.place = Position()

    def feed(self, message: bytes) -> Events:
        return self.feed_all((message,))

    def feed_all(self, messages: Iterable[bytes | UniformRun]) -> Events:
        events = Events()
        for message in messages:
            if isinstance(message, UniformRun):
                take_run(message, self.place, events)
            else:
                take_message(message, self.place, events.offsets, events.data)
        return events


class WebSocketReader:
    """Reads WebSocket lanes."""

    wire = WEBSOCKET
    way_up = FRAME

    async def read(
        self, http: aiohttp.ClientSession, url: URL, recorder: Recorder, sender: Sender | None = None
    ) -> None:
        await read_messages(http, url, WebSocketDecoder(), recorder, sender=sender)


READER: Final = WebSocketReader()
