"""The words that both ends of a connection share; `docs/wire.md` is the whole of the wire."""

from __future__ import annotations

from typing import Final, NewType

Wire = NewType("Wire", str)
"""The name of a wire: a transport says which one it writes, a client which one it reads."""

SSE: Final = Wire("sse")
WEBSOCKET: Final = Wire("websocket")
LONG_POLL: Final = Wire("long-poll")
NDJSON: Final = Wire("ndjson")

OPEN: Final = "open"
PING: Final = "ping"
GAP: Final = "gap"
END: Final = "end"
REFUSED: Final = "refused"
"""Control messages: the `control` of JSON wires; in SSE, events of type `stream-open` and so on.
`refused` answers a message that a WebSocket client sent."""

SEND: Final = "send"
"""The route beside the lanes for what goes up: `POST /send/{id}`."""

SSE_CONTROL_PREFIX: Final = "stream-"
SSE_END_SUFFIX: Final = ".end"
"""The `stream-end` event's id is EPOCH:OFFSET.end; a browser that brings it back is answered 204 and stops."""

HEARTBEAT: Final = 15.0
"""Seconds after which a silent streaming lane sends a ping."""
WATCHDOG_GRACE: Final = 10.0
"""Seconds past the heartbeat after which a client takes a silent connection for dead."""

WS_BAD_PARAMETERS: Final = 4400
WS_UNAUTHENTICATED: Final = 4401
WS_FORBIDDEN: Final = 4403
WS_UNKNOWN: Final = 4404
WS_TOO_SLOW: Final = 4408
WS_CURSOR_EXPIRED: Final = 4410
