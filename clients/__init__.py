"""Clients: they turn a wire back into events, reconnect, resume, and tell of gaps.

    async with SSEClient().connect("http://127.0.0.1:8000/sse/news", after="now") as stream:
        async for event in stream:
            print(event.type, event.data)

`stream` has what they share and `messages` what all wires say; `sse`, `websocket`, `longpoll` and `ndjson` are a wire
each; `sessions` starts streams. Errors are those of `producers.errors`.
"""

from clients.discovery import discover
from clients.longpoll import LongPollClient
from clients.ndjson import NDJSONClient
from clients.options import OnGap, Options
from clients.sessions import Started, lanes, start
from clients.sse import SSEClient
from clients.stream import Client, EventStream
from clients.websocket import WebSocketClient
from producers.events import Cursor

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
