"""The engine's own lag: from when the kernel had received something to when the engine's reader notes that it came.

With SO_TIMESTAMPNS the kernel tells, beside the bytes, when it received the last segment of them (socket(7);
Documentation/networking/timestamping.rst of the kernel; on TCP sockets since Linux 4.13). That takes recvmsg(2), which
asyncio's own event loop can be given, by a socket that has another `recv`, and uvloop can't: it reads descriptors. So
calibrations run on asyncio's loop, the slower one, and what they show is at least what the engine has on uvloop.

Where several segments are read at once, only the last one's wait is seen.
"""

from __future__ import annotations

import socket
import struct
import time
from array import array
from typing import Final, TypeAlias

from streamlanes.benchmarks.engine.decoding.decoder import Events
from streamlanes.benchmarks.engine.recorder import Recorder

SO_TIMESTAMPNS: Final = 35
"""Number of the socket option on Linux (asm-generic/socket.h), for which Python has no name."""
_TIMESPEC: Final = struct.Struct("@ll")
_SPACE: Final = socket.CMSG_SPACE(_TIMESPEC.size)

_Address: TypeAlias = "tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]"


class StampedSocket(socket.socket):
    """A TCP socket that knows when the kernel received what was read from it last."""

    received_ns: int | None = None
    """Nanoseconds of CLOCK_MONOTONIC; None: nothing was read yet, or the kernel doesn't tell."""

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Read as socket.recv does."""
        data, messages, _, _ = self.recvmsg(bufsize, _SPACE, flags)
        # The kernel's time is of CLOCK_REALTIME: its age now is the same on both clocks.
        realtime_ns, now_ns = time.time_ns(), time.monotonic_ns()
        self.received_ns = None
        for level, kind, value in messages:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, nanoseconds = _TIMESPEC.unpack(value)
                self.received_ns = now_ns - (realtime_ns - seconds * 1_000_000_000 - nanoseconds)
        return data


class StampedRecorder(Recorder):
    """A reader's record that has the engine's lag with it, for each piece of the wire that brought events."""

    def __init__(self, scheduled_ns: int, index: int = 0) -> None:
        super().__init__(scheduled_ns, index)
        self.lags_ns = array("q")
        self._socket: StampedSocket | None = None

    def socket(self, address: _Address) -> socket.socket:
        """Make a socket for aiohttp."""
        made = self._socket = StampedSocket(address[0], address[1], address[2])
        made.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        return made

    def take(self, received_ns: int, events: Events) -> None:
        super().take(received_ns, events)
        kernel_ns = None if self._socket is None else self._socket.received_ns
        if events.offsets and kernel_ns is not None:
            self.lags_ns.append(max(received_ns - kernel_ns, 0))  # the realtime clock may have been set back meanwhile
