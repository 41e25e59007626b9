"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import aiohttp
from yarl import URL

from streamlanes.benchmarks.engine.connections.body import read_body
from streamlanes.benchmarks.engine.decoding.decoder import Decoder, Events, Position, ReadingFailed, check_length
from streamlanes.benchmarks.engine.decoding.uniform_runs import PIECE, take_runs
from streamlanes.benchmarks.engine.recorder import Recorder
from streamlanes.benchmarks.engine.sending import POST, Sender
from streamlanes.producers.marks import WithoutMark
from streamlanes.producers.wire import SSE, SSE_CONTROL_PREFIX

# The server's own layout, which nearly all blocks have; any other that the standard allows goes the long way.
_PLAIN = re.compile(rb"id: ([0-9a-z]{1,16}):([0-9]{1,18})\ndata: (.*)")
_PLAIN_TO_END = re.compile(_PLAIN.pattern + rb"\n\n")
_ID = re.compile(rb"([0-9a-z]{1,16}):([0-9]{1,18})")


class SSEDecoder:
    """Lines may end in LF, CRLF or CR; the data of an event must be one line, since JSON text has no other."""

    def __init__(self) -> None:
        self.place = Position()
        self._rest = b""
        self._after_cr = False
        self._mark = WithoutMark()

    def feed(self, chunk: bytes) -> Events:
        chunk = self._mark.feed(chunk)
        if b"\r" in chunk or self._after_cr:
            chunk = self._normalised(chunk)
        buffer = self._rest + chunk
        events = Events()
        if len(buffer) >= PIECE:
            buffer = take_runs(buffer, b"\n\n", _PLAIN_TO_END, self, events)
        blocks = buffer.split(b"\n\n")
        self._rest = blocks.pop()
        check_length(len(self._rest))
        self.take(blocks, events)
        return events

    def take(self, records: list[bytes], events: Events) -> None:
        for block in records:
            plain = _PLAIN.fullmatch(block)
            if plain is None:
                self._take_block(block, events)
            else:
                epoch, offset, value = plain.groups()
                self._take_event(epoch, offset, value, events)

    def _normalised(self, chunk: bytes) -> bytes:
        """Return *chunk* with every line end as LF; a CRLF may be cut in two."""
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _take_event(self, epoch: bytes, offset: bytes, value: bytes, events: Events) -> None:
        if epoch != self.place.epoch or self.place.outcome is not None:
            self.place.admit(epoch)
        events.offsets.append(int(offset))
        events.data.append(value)

    def _take_block(self, block: bytes, events: Events) -> None:
        name, identity, lines = "", b"", []
        for line in block.split(b"\n"):
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                lines.append(value)
            elif field == b"id":
                identity = value
            elif field == b"event":
                name = value.decode(errors="replace")
        if not lines:  # a comment, a retry, or nothing: not an event, by the standard
            return
        text = b"\n".join(lines)
        if name.startswith(SSE_CONTROL_PREFIX):
            self._take_control(name.removeprefix(SSE_CONTROL_PREFIX), text)
            return
        match = _ID.fullmatch(identity)
        if match is None:
            raise ReadingFailed(f"an event without a cursor as its id: {block[:80]!r}")
        self._take_event(match[1], match[2], text, events)

    def _take_control(self, name: str, text: bytes) -> None:
        try:
            message = json.loads(text)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise ReadingFailed(f"the data of {name} isn't a JSON object: {text[:80]!r}")
        self.place.control(name, message)


class SSEReader:
    """Reads SSE lanes."""

    wire = SSE
    way_up = POST

    async def read(
        self, http: aiohttp.ClientSession, url: URL, recorder: Recorder, sender: Sender | None = None
    ) -> None:
        # Not just text/event-stream: with that, a refusal would come as a 200 (docs/wire.md).
        await read_body(http, url, "text/event-stream, application/problem+json", SSEDecoder(), recorder, sender=sender)


READER: Final = SSEReader()

if TYPE_CHECKING:
    _decoder: Decoder = SSEDecoder()
