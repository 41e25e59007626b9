"""Counting what goes over a reader's connections, by TCP's own counters."""

from __future__ import annotations

import os
import socket
import struct
from types import TracebackType
from typing import Final, Self, TypeAlias

from streamlanes.benchmarks.spec.records import Traffic

MAX_SEGMENT: Final = 1448
"""Bytes of data in a segment on an Ethernet; loopback would have segments of 64 KB."""

_COUNTERS: Final = struct.Struct("=QQII")
"""tcpi_bytes_acked, tcpi_bytes_received, tcpi_segs_out, tcpi_segs_in of struct tcp_info (linux/tcp.h, RFC 4898)."""
_OFFSET: Final = 120
_OPENING: Final = 3
"""Segments: SYN, SYN-ACK, ACK. The first counts as a byte, as does the FIN of a peer that has closed."""
_CLOSE_WAIT: Final = 8
"""tcpi_state, the first byte, of a connection that the peer has closed."""

_Address: TypeAlias = "tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]"


class Meter:
    """Makes sockets, and reads their counters when the reading is over. A context manager."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for kept in self._sockets:
            kept.close()

    def socket(self, address: _Address) -> socket.socket:
        """Make a socket for aiohttp, and keep another handle on it: the counters are gone with the last one."""
        made = socket.socket(address[0], address[1], address[2])
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, MAX_SEGMENT)
        self._sockets.append(socket.socket(fileno=os.dup(made.fileno())))
        return made

    def total(self) -> Traffic:
        """Return what went over all of them so far."""
        counted = [_traffic(kept) for kept in self._sockets]
        return Traffic(*(sum(column) for column in zip(*counted, strict=True))) if counted else Traffic(0, 0, 0)


def _traffic(connection: socket.socket) -> Traffic:
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _OFFSET + _COUNTERS.size)
    acked, received, out, inward = _COUNTERS.unpack(info[_OFFSET:])
    return Traffic(acked - 1, received - (info[0] == _CLOSE_WAIT), out + inward - _OPENING)
