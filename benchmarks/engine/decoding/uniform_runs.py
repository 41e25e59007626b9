"""Streams of records that end in a separator, taken apart; runs of events that are laid out alike are taken at once.

Taking an event by itself costs Python more than all else that the engine does with it, and where a stream comes as fast
as it can, an event mostly is as long as the one before. Such a run is a matrix with an event a row, and what an event
must be is checked of all rows at once, column by column.
"""

from __future__ import annotations

import re
from array import array
from typing import Final, NamedTuple, Protocol

import numpy as np

from streamlanes.benchmarks.engine.decoding.decoder import Events, Position

PIECE: Final = 4096
"""Bytes. What is left of a chunk when it has less than that is taken event by event, and so is a piece of this length
where there is no run: runs are looked for again after it.
"""
SHORTEST: Final = 32
"""Events; a shorter run would cost more than its events one by one."""
_POWERS: Final = 10 ** np.arange(18, dtype=np.int64)[::-1]
"""Powers of ten, for as many digits as an offset may have."""


class UniformRun(NamedTuple):
    """Events that came one after the other, each as long as the others."""

    epoch: bytes
    offsets: array[int]
    text: bytes
    """The JSON text of each, as it was on the wire, a newline between them."""
    end: int
    """Where it ends in its buffer."""


class RecordDecoder(Protocol):
    """Decodes a stream of records that end in a separator."""

    place: Position

    def take(self, records: list[bytes], events: Events) -> None:
        """Add the events of *records*, without their separators, to *events*. Raises Fault."""
        ...


def take_runs(
    buffer: bytes, separator: bytes, event: re.Pattern[bytes], decoder: RecordDecoder, events: Events
) -> bytes:
    """Add the runs in *buffer* to *events*, and what is before and between them; return what is left of it.

    *event* matches a whole event with the separator behind it; its groups are the epoch, the offset's digits and the
    data, in which there is no newline. It need not match every event that there may be: *decoder* takes the others.
    Raises Fault.
    """
    place = 0
    while len(buffer) - place >= PIECE:
        run = find_run(buffer, place, event)
        if run is not None:
            take_run(run, decoder.place, events)
            place = run.end
            continue
        end = buffer.rfind(separator, place, place + PIECE)
        if end < 0:  # a long record, or the beginning of one
            end = buffer.find(separator, place)
        if end < 0:
            break
        decoder.take(buffer[place:end].split(separator), events)
        place = end + len(separator)
    return buffer[place:]


def take_run(run: UniformRun, place: Position, events: Events) -> None:
    """Add *run* to *events*. Raises ReadingFailed for one that may not come now."""
    place.admit(run.epoch)
    events.offsets.extend(run.offsets)
    events.data.append(run.text)


def find_run(buffer: bytes, place: int, event: re.Pattern[bytes]) -> UniformRun | None:
    """Return the run of SHORTEST events or more that begins at *place*; None: there is none.

    All of them match *event*, and lie in *buffer* as the first one does: they differ in the digits and the data only.
    """
    first = event.match(buffer, place)
    return None if first is None else run_of(buffer, place, first)


def run_of(buffer: bytes, place: int, first: re.Match[bytes]) -> UniformRun | None:
    """Return the run whose first event lies from *place* to the end of *first*; None: there is none.

    The match's groups are the epoch, the offset's digits and the data; what is before the digits and behind the data
    is the same of all events of a run.
    """
    size = first.end() - place
    count = (len(buffer) - place) // size
    (digits, digits_end), (data, data_end) = first.span(2), first.span(3)
    # Most of what is no run is found out here, at next to no cost.
    if count < SHORTEST or not buffer.startswith(buffer[place:digits], place + (SHORTEST - 1) * size):
        return None
    numerals = np.ndarray((count, digits_end - digits), np.uint8, buffer, digits, (size, 1)) - ord("0")
    others = numerals > 9  # what is below "0" has wrapped around
    alike = ~others.any(axis=1) if others.any() else np.ones(count, np.bool_)
    for start, end in ((place, digits), (digits_end, data), (data_end, first.end())):
        alike &= np.ndarray((count,), f"S{end - start}", buffer, start, (size,)) == buffer[start:end]
    if not alike.all():
        count = int(alike.argmin())
    if count < SHORTEST:
        return None
    texts = np.ndarray((count, data_end - data + 1), np.uint8, buffer, data, (size, 1)).copy()
    texts[:, -1] = ord("\n")
    if np.count_nonzero(texts == ord("\n")) != count:  # a row that isn't one record
        return None
    offsets = array("q", (numerals[:count] @ _POWERS[digits - digits_end :]).tobytes())
    return UniformRun(first[1], offsets, texts.reshape(-1)[:-1].tobytes(), place + count * size)
