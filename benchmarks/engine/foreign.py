"""Streams of other servers: SSE or WebSocket messages with an event of `ticker` in each, whatever is around it.

There are no ids of ours, no open and no end on such a wire. An event's number stands in its data (`n`), which makes it
its offset; the publisher's last message is END, sent over the server as all others are. What has neither in it is the
server's own and passed over: if it should have been an event, the gate misses it.
"""

from __future__ import annotations

import re
import time
from typing import Final

import aiohttp
from yarl import URL

from benchmarks.engine.body import read_body
from benchmarks.engine.decoding import Events, Fault, Place
from benchmarks.engine.frames import Frames
from benchmarks.engine.recorder import Recorder
from benchmarks.engine.sending import Sender
from benchmarks.engine.upgrade import upgraded
from producers.events import Outcome
from producers.wire import Wire

FOREIGN_SSE: Final = Wire("sse-foreign")
FOREIGN_WEBSOCKET: Final = Wire("websocket-foreign")
END: Final = '{"end":true}'

_EVENT = re.compile(rb'\{"n":([0-9]{1,18}),"text":"[^"\\]*"\}')


class ForeignDecoder:
    """Takes messages."""

    def __init__(self) -> None:
        self.place = Place()

    def feed_all(self, messages: list[bytes]) -> Events:
        """Return the events in *messages*. Raises Fault for one after the end."""
        events = Events([], [])
        for message in messages:
            found = _EVENT.search(message)
            if found is not None:
                if self.place.outcome is not None:
                    raise Fault("an event after the end")
                events.offsets.append(int(found[1]))
                events.data.append(found[0])
            elif END.encode() in message:
                self.place.outcome = Outcome.COMPLETED
        return events


class ForeignSSEDecoder(ForeignDecoder):
    """Takes `text/event-stream`, whatever its line ends are."""

    def __init__(self) -> None:
        super().__init__()
        self._rest = b""

    def feed(self, chunk: bytes) -> Events:
        """Return the events that *chunk* completes. Raises Fault."""
        # Only a line's end matters: an event is one line of data, in any layout of its block.
        *lines, self._rest = (self._rest + chunk.replace(b"\r", b"\n")).split(b"\n")
        return self.feed_all([line for line in lines if line.startswith(b"data:")])


class ForeignSSEReader:
    """Reads another server's SSE."""

    wire = FOREIGN_SSE
    way_up = None

    async def read(
        self, http: aiohttp.ClientSession, url: URL, recorder: Recorder, sender: Sender | None = None
    ) -> None:
        await read_body(http, url, "text/event-stream", ForeignSSEDecoder(), recorder, sender=sender)


class ForeignWebSocketReader:
    """Reads another server's WebSocket."""

    wire = FOREIGN_WEBSOCKET
    way_up = None

    async def read(
        self, http: aiohttp.ClientSession, url: URL, recorder: Recorder, sender: Sender | None = None
    ) -> None:
        decoder, frames = ForeignDecoder(), Frames()
        try:
            async with upgraded(http, url) as socket:
                async for chunk in socket.content.iter_any():
                    received_ns = time.monotonic_ns()
                    recorder.take(received_ns, decoder.feed_all(frames.feed(chunk)))
                    while frames.pings:
                        await socket.pong(frames.pings.pop(0))
                    if decoder.place.outcome is not None or frames.closed is not None:
                        await socket.close(aiohttp.WSCloseCode.OK)
                        break
        finally:
            recorder.close(decoder.place)
        if decoder.place.outcome is None:
            raise Fault(f"the server closed the WebSocket before the end: {frames.closed}")
