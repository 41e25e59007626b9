"""Lane `ws-asgi`: `ws` as it is under a server that isn't ours: the same writer, over ASGI's `send`."""

from __future__ import annotations

from typing import Final

from streamlanes.transports.transport import Transport
from streamlanes.transports.ws import WebSocketLane

TRANSPORT: Final[Transport] = WebSocketLane(name="ws-asgi", direct=False)
