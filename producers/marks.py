"""The byte order mark that some servers and editors put before UTF-8 text."""

from __future__ import annotations

from codecs import BOM_UTF8


class WithoutMark:
    """A stream of bytes without the mark at its start, however it is cut; one that comes later is text."""

    def __init__(self) -> None:
        self._begin: bytes | None = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return what *chunk* adds to the stream; nothing as long as it may be part of a mark."""
        if self._begin is None:
            return chunk
        begin = self._begin + chunk
        if len(begin) < len(BOM_UTF8) and BOM_UTF8.startswith(begin):
            self._begin = begin
            return b""
        self._begin = None
        return begin.removeprefix(BOM_UTF8)
