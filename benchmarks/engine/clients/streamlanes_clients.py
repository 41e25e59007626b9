"""This project's own clients, by the library that each is made with."""

from __future__ import annotations

import time
from typing import Final

import aiohttp
from yarl import URL

from streamlanes import clients
from streamlanes.benchmarks.engine.decoding.decoder import ReadingFailed
from streamlanes.benchmarks.engine.recorder import Recorder
from streamlanes.benchmarks.engine.sending import Sender
from streamlanes.clients import Client, Options
from streamlanes.producers.errors import StreamError
from streamlanes.producers.wire import LONG_POLL, NDJSON, SSE, WEBSOCKET, Wire

LIBRARIES: Final = {SSE: "httpx-sse", WEBSOCKET: "websockets", LONG_POLL: "httpx", NDJSON: "httpx"}


class OwnReader:
    """Reads with one of `clients`; only the connection isn't made again, so that the gate sees whatever is lost."""

    way_up = None

    def __init__(self, client: Client) -> None:
        self._client = client
        self.wire: Wire = client.wire
        module = type(client).__module__
        ours = module.startswith(f"{clients.__name__}.")
        self.library: str = LIBRARIES[client.wire] if ours else module.partition(".")[0]

    async def read(
        self, http: aiohttp.ClientSession, url: URL, recorder: Recorder, sender: Sender | None = None
    ) -> None:
        recorder.times_connect = False
        options = Options(attempts=1, headers=dict(http.headers))
        try:
            async with self._client.connect(str(url), options=options) as stream:
                if stream.cursor is not None:
                    recorder.epoch = stream.cursor.epoch
                async for event in stream:
                    recorder.take_one(time.monotonic_ns(), event.offset, event.data.encode())
                recorder.outcome = stream.outcome
        except StreamError as error:
            raise ReadingFailed(str(error)) from error


READERS: Final = tuple(OwnReader(client) for client in clients.discover().values())
