"""Clients: they turn a wire back into events, reconnect, resume, and tell of gaps.

    async with SSEClient().connect("http://127.0.0.1:8000/sse/news", after="now") as stream:
        async for event in stream:
            print(event.type, event.data)

`stream` has what they share and `messages` what all wires say; `sse`, `websocket`, `long_poll` and `ndjson` are a wire
each; `sessions` starts streams. Errors are those of `producers.errors`.
"""

from streamlanes.clients.discovery import discover
from streamlanes.clients.long_poll import LongPollClient
from streamlanes.clients.ndjson import NDJSONClient
from streamlanes.clients.options import OnGap, Options
from streamlanes.clients.sessions import Started, lanes, start
from streamlanes.clients.sse import SSEClient
from streamlanes.clients.stream import Client, EventStream
from streamlanes.clients.websocket import WebSocketClient
from streamlanes.producers.events import Cursor

__all__ = [
    "Client",
    "Cursor",
    "EventStream",
    "LongPollClient",
    "NDJSONClient",
    "OnGap",
    "Options",
    "SSEClient",
    "Started",
    "WebSocketClient",
    "discover",
    "lanes",
    "start",
]
