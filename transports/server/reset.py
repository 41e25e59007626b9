"""The end of a connection that doesn't wait for anything."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Final

_RST: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: the close throws away what the kernel holds, and resets the connection."""


def reset(transport: asyncio.Transport) -> None:
    """End a connection: the other side gets a RST, and what hasn't been sent is thrown away, here and in the kernel."""
    if (sock := transport.get_extra_info("socket")) is not None:
        with suppress(OSError, ValueError):  # ValueError: uvloop's, for a socket that has gone
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
    transport.abort()
