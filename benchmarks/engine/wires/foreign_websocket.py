"""Another server's WebSocket."""

from __future__ import annotations

from typing import Final

import aiohttp
from yarl import URL

from streamlanes.benchmarks.engine.connections.upgrade import read_messages
from streamlanes.benchmarks.engine.decoding.foreign import ForeignDecoder
from streamlanes.benchmarks.engine.recorder import Recorder
from streamlanes.benchmarks.engine.sending import Sender
from streamlanes.producers.wire import Wire

FOREIGN_WEBSOCKET: Final = Wire("websocket-foreign")


class ForeignWebSocketReader:
    """Reads messages with events of `ticker` in them, up to the last that is awaited."""

    wire = FOREIGN_WEBSOCKET
    way_up = None

    async def read(
        self, http: aiohttp.ClientSession, url: URL, recorder: Recorder, sender: Sender | None = None
    ) -> None:
        decoder = ForeignDecoder(recorder.awaited)
        await read_messages(http, url, decoder, recorder, sender=sender, to_close=False)


READER: Final = ForeignWebSocketReader()
