"""Another server's server-sent events."""

from __future__ import annotations

from typing import Final

import aiohttp
from yarl import URL

from streamlanes.benchmarks.engine.connections.body import read_body
from streamlanes.benchmarks.engine.decoding.foreign import ForeignSSEDecoder
from streamlanes.benchmarks.engine.recorder import Recorder
from streamlanes.benchmarks.engine.sending import Sender
from streamlanes.producers.wire import Wire

FOREIGN_SSE: Final = Wire("sse-foreign")


class ForeignSSEReader:
    """Reads SSE with events of `ticker` in it, up to the last that is awaited."""

    wire = FOREIGN_SSE
    way_up = None

    async def read(
        self, http: aiohttp.ClientSession, url: URL, recorder: Recorder, sender: Sender | None = None
    ) -> None:
        decoder = ForeignSSEDecoder(recorder.awaited)
        await read_body(http, url, "text/event-stream", decoder, recorder, sender=sender, to_close=False)


READER: Final = ForeignSSEReader()
