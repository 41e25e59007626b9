"""The pacer of measured runs: a process that wakes when events are due, and says when it did.

    python -m streamlanes.producers.pacing.pacer_process FD

FD is its end of a pair of stream sockets (socketpair(2)); the server has the other one (see `pacing.PipePacer`). The
server sends requests, the pacer answers each with a record once it is due, all that are due in one write. It ends when
the server's end is closed. A request is two, a record three little-endian signed 64-bit integers: the request's number,
when it is due, and when the pacer woke for it, in nanoseconds of CLOCK_MONOTONIC. Needs the standard library only.

Why a process: a timer of the server's loop is late by as much as the server is busy, and so is a thread, which shares
its interpreter lock; what is measured would then decide when the next event is.
"""

from __future__ import annotations

import gc
import heapq
import select
import socket
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

REQUEST: Final = struct.Struct("<qq")
RECORD: Final = struct.Struct("<qqq")
READ_BYTES: Final = 64 * 1024

SHORT_NS: Final = 20_000_000
"""What is slept in one go; see `Timetable.sleep`."""


class Timetable:
    """The requests that aren't due yet. Bytes in, bytes out, and the time from outside."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int]] = []
        self._cut = b""

    def feed(self, data: bytes) -> None:
        """Take requests; the last one may be cut anywhere."""
        data = self._cut + data
        whole = len(data) - len(data) % REQUEST.size
        self._cut = data[whole:]
        for number, due in REQUEST.iter_unpack(data[:whole]):
            heapq.heappush(self._waiting, (due, number))

    def take(self, now_ns: int) -> bytes:
        """Return the records of what is due, in the order of due times, and of requests where those are equal."""
        records = []
        while self._waiting and self._waiting[0][0] <= now_ns:
            due, number = heapq.heappop(self._waiting)
            records.append(RECORD.pack(number, due, now_ns))
        return b"".join(records)

    def sleep(self, now_ns: int) -> float | None:
        """Return how many seconds to sleep before looking again; None: until there are requests.

        Long sleeps come in several steps, each of most of what is left: select(2) lets itself be late by a thousandth
        of its time-out (Linux, fs/select.c), which after 20 ms is no more than any wake-up takes.
        """
        if not self._waiting:
            return None
        left = max(self._waiting[0][0] - now_ns, 0)
        return (left if left <= SHORT_NS else left - left // 8) / 1e9


def pace(server: socket.socket) -> None:
    """Answer *server*'s requests until it closes its end. Never waits for a server that doesn't read."""
    server.setblocking(False)
    timetable = Timetable()
    unsent = bytearray()
    while True:
        writing = [server] if unsent else []
        readable, _, _ = select.select([server], writing, [], timetable.sleep(time.monotonic_ns()))
        try:
            if readable:
                data = server.recv(READ_BYTES)
                if not data:
                    return
                timetable.feed(data)
            unsent += timetable.take(time.monotonic_ns())
            if unsent:
                del unsent[: server.send(unsent)]
        except BlockingIOError:
            pass  # what is unsent stays so until there is room
        except ConnectionError:
            return  # the server went away with something unread


def main() -> None:
    """Be the process."""
    gc.disable()  # nothing here makes cycles, and a collection would make a wake-up late
    with suppress(OSError):  # Linux adds 50 µs to every sleep, to save power; elsewhere there is no such file
        Path("/proc/self/timerslack_ns").write_text("1", encoding="ascii")
    with socket.socket(fileno=int(sys.argv[1])) as server:
        pace(server)


if __name__ == "__main__":
    main()
