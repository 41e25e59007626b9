"""The producer's journal: when each event was due, when its producer woke for it, and when it was appended.

A file per stream, named `EPOCH.journal`: for each offset from 1 on, three little-endian signed 64-bit integers, `due`,
`woke` and `append`, in nanoseconds of CLOCK_MONOTONIC. What has been written stays when the server is killed.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from streamlanes.producers.events import Item

RECORD: Final = 24
"""Bytes of an event's."""


class Stamp(NamedTuple):
    """One event's times (CLOCK_MONOTONIC, ns)."""

    due: int
    woke: int
    append: int


class Journal:
    """Writes one stream's file; an append of items is one write. A context manager. Raises OSError."""

    def __init__(self, directory: Path, epoch: str) -> None:
        self._file = (directory / f"{epoch}.journal").open("wb", buffering=0)

    def write(self, items: Sequence[Item], woke: int, append: int) -> None:
        """Add the next *items*; one without a due time was due when it came.

        One that became due after *woke*, while the loop was busy, counts as woken for at its time: what it waited then
        is the server's queueing. So due <= woke <= append.
        """
        stamps = array("q")
        for item in items:
            due = woke if item.due_ns is None else item.due_ns
            stamps.extend((due, max(woke, due), append))
        if sys.byteorder == "big":
            stamps.byteswap()
        left = stamps.tobytes()
        while left:  # a disk that is nearly full takes a part
            left = left[self._file.write(left) :]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_journal(directory: Path, epoch: str, *, after: int = 0, limit: int | None = None) -> list[Stamp]:
    """Return the stamps of a stream, that of offset *after* + 1 first, at most *limit* of them.

    Raises FileNotFoundError.
    """
    values = array("q")
    with (directory / f"{epoch}.journal").open("rb") as file:
        file.seek(after * RECORD)
        content = file.read(-1 if limit is None else limit * RECORD)
    values.frombytes(content[: len(content) // RECORD * RECORD])  # a server killed in mid-write leaves part of one
    if sys.byteorder == "big":
        values.byteswap()
    return [Stamp(*values[i : i + 3]) for i in range(0, len(values), 3)]
