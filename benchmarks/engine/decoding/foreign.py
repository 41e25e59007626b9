"""Streams of other servers: messages with an event of `ticker` in each, whatever is around it.

There are no ids of ours, no open and no end on such a wire. An event's number stands in its data (`n`), which makes it
its offset; that the stream has ended is known from how many there are. What has no event in it is the server's own and
passed over: if it should have been one, the gate misses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from streamlanes.benchmarks.engine.decoding.decoder import Decoder, Events, Position, ReadingFailed, check_length
from streamlanes.benchmarks.engine.decoding.uniform_runs import UniformRun
from streamlanes.producers.events import Outcome
from streamlanes.producers.marks import WithoutMark

_EVENT = re.compile(rb'\{"n":([0-9]{1,18}),"text":"[^"\\]*"\}')


class ForeignDecoder:
    """Takes messages; *awaited* is the number of the last event."""

    def __init__(self, awaited: int) -> None:
        if not awaited:
            raise ReadingFailed("a stream of another server has no end that is told, and its length isn't known")
        self.place = Position()
        self._awaited = awaited

    def feed_all(self, messages: Iterable[bytes | UniformRun]) -> Events:
        """Return the events in *messages*."""
        events = Events()
        for message in messages:
            for text in message.text.split(b"\n") if isinstance(message, UniformRun) else (message,):
                found = _EVENT.search(text)
                if found is not None:
                    events.offsets.append(int(found[1]))
                    events.data.append(found[0])
        if events.offsets and max(events.offsets) >= self._awaited:
            self.place.outcome = Outcome.COMPLETED
        return events


class ForeignSSEDecoder(ForeignDecoder):
    """Takes `text/event-stream`, whatever its line ends are."""

    def __init__(self, awaited: int) -> None:
        super().__init__(awaited)
        self._rest = b""
        self._mark = WithoutMark()

    def feed(self, chunk: bytes) -> Events:
        """Return the events that *chunk* completes."""
        # Only the lines' ends matter: an event is one line of data, in any layout of its block.
        chunk = self._mark.feed(chunk)
        *lines, self._rest = (self._rest + chunk.replace(b"\r", b"\n")).split(b"\n")
        check_length(len(self._rest))
        return self.feed_all(line for line in lines if line.startswith(b"data:"))


if TYPE_CHECKING:
    _decoder: Decoder = ForeignSSEDecoder(1)
