"""Lane `sse-asgi`: `sse` as it is under a server that isn't ours: the same writer, over ASGI's `send`."""

from __future__ import annotations

from typing import Final

from streamlanes.transports.sse import SSELane
from streamlanes.transports.transport import Transport

TRANSPORT: Final[Transport] = SSELane(name="sse-asgi", direct=False)
