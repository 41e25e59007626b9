"""WebSocket: a JSON object a text message."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

import aiohttp
from yarl import URL

from benchmarks.engine.decoding import Events, Fault, Place
from benchmarks.engine.frames import Frames
from benchmarks.engine.json_message import take_message
from benchmarks.engine.recorder import Recorder
from benchmarks.engine.sending import FRAME, Sender, sending
from benchmarks.engine.upgrade import upgraded
from producers.wire import WEBSOCKET


class WebSocketDecoder:
    """A message is whole; `Frames` has seen to that."""

    def __init__(self) -> None:
        self.place = Place()

    def feed(self, message: bytes) -> Events:
        return self.feed_all((message,))

    def feed_all(self, messages: Iterable[bytes]) -> Events:
        events = Events([], [])
        for message in messages:
            take_message(message, self.place, events.offsets, events.data)
        return events


class WebSocketReader:
    """Reads WebSocket lanes."""

    wire = WEBSOCKET
    way_up = FRAME

    async def read(
        self, http: aiohttp.ClientSession, url: URL, recorder: Recorder, sender: Sender | None = None
    ) -> None:
        decoder, frames = WebSocketDecoder(), Frames()
        try:
            async with upgraded(http, url) as socket, sending(sender, socket.send):
                async for chunk in socket.content.iter_any():
                    received_ns = time.monotonic_ns()
                    recorder.take(received_ns, decoder.feed_all(frames.feed(chunk)))
                    while frames.pings:
                        await socket.pong(frames.pings.pop(0))
                    if frames.closed is not None:
                        await socket.close(aiohttp.WSCloseCode.OK)
                        break
        finally:
            recorder.close(decoder.place)
        code, reason = frames.closed or (aiohttp.WSCloseCode.ABNORMAL_CLOSURE, "")
        if decoder.place.outcome is None or code != aiohttp.WSCloseCode.OK:
            raise Fault(f"the server closed the WebSocket with {code:d} ({reason[:200]})")


READER: Final = WebSocketReader()
