"""NDJSON: a JSON object a line, over chunked HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aiohttp
from yarl import URL

from benchmarks.engine.body import read_body
from benchmarks.engine.decoding import Decoder, Events, Place
from benchmarks.engine.json_message import EVENT_LINE, take_message
from benchmarks.engine.recorder import Recorder
from benchmarks.engine.runs import Records, Run
from benchmarks.engine.sending import POST, Sender
from producers.wire import NDJSON


class NDJSONDecoder:
    """Empty lines are allowed and mean nothing."""

    def __init__(self) -> None:
        self.place = Place()
        self._records = Records(b"\n", EVENT_LINE)

    def feed(self, chunk: bytes) -> Events:
        offsets: list[int] = []
        data: list[bytes] = []
        for piece in self._records.feed(chunk):
            if isinstance(piece, Run):
                self.place.admit(piece.epoch)
                offsets += piece.offsets
                data.append(piece.text)
                continue
            for line in piece:
                if line:
                    take_message(line, self.place, offsets, data)
        return Events.of(offsets, data)


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
