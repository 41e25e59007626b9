"""Long poll: a JSON object a response, with all events that there are."""

from __future__ import annotations

import re
import secrets
import time
from array import array
from json import JSONDecoder
from typing import Final

import aiohttp
from yarl import URL

from streamlanes.benchmarks.engine.connections.polling import polling
from streamlanes.benchmarks.engine.decoding.decoder import Events, Position, ReadingFailed
from streamlanes.benchmarks.engine.decoding.json_message import EVENT_HEAD
from streamlanes.benchmarks.engine.recorder import Recorder
from streamlanes.benchmarks.engine.sending import POST, Sender, posting
from streamlanes.producers.wire import LONG_POLL

_START: Final = '{"events":['
_END = re.compile(
    r'\],"cursor":"([0-9a-z]{1,16}):([0-9]{1,18})","done":(?:false|true,"outcome":"([a-z]+)")\}', re.ASCII
)
_extent = JSONDecoder().raw_decode


class LongPollDecoder:
    """Takes whole responses, one after the other; `after` is the cursor to ask with next."""

    def __init__(self, after: str = "start") -> None:
        self.place = Position()
        self.after = after

    def feed(self, body: bytes) -> Events:
        offsets = array("q")
        data: list[bytes] = []
        text = body.decode(errors="replace")  # what isn't UTF-8 then fails the gate's checksum
        if not text.startswith(_START):
            raise ReadingFailed(f"not a poll's response: {text[:80]!r}")
        position = len(_START)
        while head := EVENT_HEAD.match(text, position):
            epoch, offset = head.groups()
            self.place.meet(epoch.encode())
            try:
                _, end = _extent(text, head.end())
            except (ValueError, RecursionError) as error:
                raise ReadingFailed(f"the data of event {offset} isn't JSON: {error}") from error
            offsets.append(int(offset))
            data.append(text[head.end() : end].encode())
            if text[end : end + 1] != "}":
                raise ReadingFailed(f"event {offset} goes on after its data")
            position = end + 2 if text.startswith(",{", end + 1) else end + 1
        rest = _END.fullmatch(text, position)
        if rest is None:
            raise ReadingFailed(f"a poll's response goes wrong: {text[position : position + 80]!r}")
        self.place.meet(rest[1].encode())
        self.after = f"{rest[1]}:{rest[2]}"
        self.place.outcome = rest[3]
        return Events(offsets, data)


class LongPollReader:
    """Reads long-poll lanes: one poll after the other, on a connection that is kept alive."""

    wire = LONG_POLL
    way_up = POST

    async def read(
        self, http: aiohttp.ClientSession, url: URL, recorder: Recorder, sender: Sender | None = None
    ) -> None:
        reader = secrets.token_hex(4)  # as the clients do, so that no cache lets polls wait for one another
        decoder = LongPollDecoder(url.query.get("after", "start"))
        try:
            async with polling(http, url, recorder) as poller, posting(http, sender):
                while decoder.place.outcome is None:
                    body = await poller.get(f"{url.raw_path}?after={decoder.after}&reader={reader}")
                    received_ns = time.monotonic_ns()
                    recorder.take(received_ns, decoder.feed(body))
        finally:
            recorder.close(decoder.place)


READER: Final = LongPollReader()
