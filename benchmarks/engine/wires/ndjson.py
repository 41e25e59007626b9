"""NDJSON: a JSON object a line, over chunked HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aiohttp
from yarl import URL

from streamlanes.benchmarks.engine.connections.body import read_body
from streamlanes.benchmarks.engine.decoding.decoder import Decoder, Events, Position, check_length
from streamlanes.benchmarks.engine.decoding.json_message import EVENT_LINE, take_message
from streamlanes.benchmarks.engine.decoding.uniform_runs import PIECE, take_runs
from streamlanes.benchmarks.engine.recorder import Recorder
from streamlanes.benchmarks.engine.sending import POST, Sender
from streamlanes.producers.wire import NDJSON


class NDJSONDecoder:
    """Empty lines are allowed and mean nothing."""

    def __init__(self) -> None:
        self.place = Position()
        self._rest = b""

    def feed(self, chunk: bytes) -> Events:
        buffer = self._rest + chunk
        events = Events()
        if len(buffer) >= PIECE:
            buffer = take_runs(buffer, b"\n", EVENT_LINE, self, events)
        lines = buffer.split(b"\n")
        self._rest = lines.pop()
        check_length(len(self._rest))
        self.take(lines, events)
        return events

    def take(self, records: list[bytes], events: Events) -> None:
        for line in records:
            if line:
                take_message(line, self.place, events.offsets, events.data)


class NDJSONReader:
    """Reads NDJSON lanes."""

    wire = NDJSON
    way_up = POST

    async def read(
        self, http: aiohttp.ClientSession, url: URL, recorder: Recorder, sender: Sender | None = None
    ) -> None:
        await read_body(http, url, "application/x-ndjson", NDJSONDecoder(), recorder, sender=sender)


READER: Final = NDJSONReader()

if TYPE_CHECKING:
    _decoder: Decoder = NDJSONDecoder()
