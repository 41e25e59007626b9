"""A WebSocket's frames from the server (RFC 6455 §5), without extensions: bytes in, messages out, and no I/O.

A library's reader makes an object of each message and a queue of them, which costs more than all else that the engine
does with an event.
"""

from __future__ import annotations

import struct
from typing import Final

from streamlanes.benchmarks.engine.decoding.decoder import ReadingFailed, check_length
from streamlanes.benchmarks.engine.decoding.json_message import EVENT_MESSAGE
from streamlanes.benchmarks.engine.decoding.uniform_runs import PIECE, UniformRun, run_of

_TEXT: Final = 0x81
_CLOSE: Final = 0x88
_PING: Final = 0x89
_PONG: Final = 0x8A
_FIRST: Final = 0x01
_NEXT: Final = 0x00
_LAST: Final = 0x80
_MEDIUM: Final = struct.Struct("!HH").unpack_from
_MEDIUM_TEXT: Final = 0x817E
"""A whole text message whose length is in the two bytes that follow."""


class Frames:
    """Takes the bytes of a connection however they are cut."""

    def __init__(self) -> None:
        self.pings: list[bytes] = []
        """To be answered; the caller takes them out."""
        self.closed: tuple[int, str] | None = None
        """The server's close code (1005: it gave none) and reason."""
        self._rest = b""
        self._parts: list[bytes] = []
        self._parts_length = 0

    def feed(self, chunk: bytes) -> list[bytes | UniformRun]:
        """Return the text messages that *chunk* completes, in their order, and of those that are alike runs.

        Raises ReadingFailed for what the engine doesn't expect.
        """
        buffer = self._rest + chunk if self._rest else chunk
        messages: list[bytes | UniformRun] = []
        place, size = 0, len(buffer)
        whole = not self._parts and self.closed is None
        looked_at = -PIECE
        while place + 4 <= size and whole:  # most messages are of 126 bytes to 64 KB, in a frame
            kind, length = _MEDIUM(buffer, place)
            end = place + 4 + length
            if kind != _MEDIUM_TEXT or end > size:
                break
            if size - place >= PIECE <= place - looked_at:
                looked_at = place
                run = self._run(buffer, place, end)
                if run is not None:
                    messages.append(run)
                    place, looked_at = run.end, run.end - PIECE
                    continue
            messages.append(buffer[place + 4 : end])
            place = end
        while place + 2 <= size:
            start = place + 2
            length = buffer[place + 1]
            if length > 125:
                start += _extended(length)
                if start > size:
                    break
                length = int.from_bytes(buffer[place + 2 : start], "big")
            end = start + length
            if end > size:
                check_length(length + self._parts_length)
                break
            if buffer[place] == _TEXT and not self._parts and self.closed is None:
                messages.append(buffer[start:end])
            else:
                self._take(buffer[place], buffer[start:end], messages)
            place = end
        self._rest = buffer[place:]
        return messages

    def _run(self, buffer: bytes, place: int, end: int) -> UniformRun | None:
        """Return the run that begins with the frame from *place* to *end*, whose header is of four bytes."""
        event = EVENT_MESSAGE.fullmatch(buffer, place + 4, end)
        return None if event is None else run_of(buffer, place, event)

    def _take(self, first: int, payload: bytes, messages: list[bytes | UniformRun]) -> None:
        if self.closed is not None:
            raise ReadingFailed("a WebSocket frame after the close")
        if first == _CLOSE:
            code = int.from_bytes(payload[:2], "big") if payload else 1005
            self.closed = code, payload[2:].decode(errors="replace")
        elif first == _PING:
            self.pings.append(payload)
        elif (first == _FIRST and not self._parts) or (first in {_NEXT, _LAST} and self._parts):
            self._parts.append(payload)
            self._parts_length += len(payload)
            check_length(self._parts_length)
            if first == _LAST:
                messages.append(b"".join(self._parts))
                self._parts.clear()
                self._parts_length = 0
        elif first != _PONG:
            raise ReadingFailed(f"a WebSocket frame that begins with {first:#x}")


def _extended(length: int) -> int:
    """Return the size of the extended length. Raises ReadingFailed for a masked frame: a server's aren't."""
    if length > 127:
        raise ReadingFailed("a masked WebSocket frame from the server")
    return 2 if length == 126 else 8
