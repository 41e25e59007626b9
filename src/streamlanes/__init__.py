"""One stream of events over several transports, and what each of them costs.

Here are the values and errors that everybody needs. `streamlanes.producers`, `.transports` and `.clients` are the
libraries, `.benchmarks` the comparison, `.demos` the demo, `.command` the command line; each needs its own extra.
"""

from streamlanes.producers.errors import (
    ConnectionLost,
    CursorExpired,
    EventTooLarge,
    InboxFull,
    InvalidCursor,
    InvalidItem,
    MessageRefused,
    MessageTooLarge,
    PacerLost,
    ProtocolViolation,
    Refused,
    RequestRejected,
    StreamEnded,
    StreamError,
    StreamFailed,
    StreamLost,
    StreamOrphaned,
    UnknownStream,
    UpstreamFailed,
)
from streamlanes.producers.events import JSON, After, Cursor, Event, Item, Outcome, parse_after

__all__ = [
    "JSON",
    "After",
    "ConnectionLost",
    "Cursor",
    "CursorExpired",
    "Event",
    "EventTooLarge",
    "InboxFull",
    "InvalidCursor",
    "InvalidItem",
    "Item",
    "MessageRefused",
    "MessageTooLarge",
    "Outcome",
    "PacerLost",
    "ProtocolViolation",
    "Refused",
    "RequestRejected",
    "StreamEnded",
    "StreamError",
    "StreamFailed",
    "StreamLost",
    "StreamOrphaned",
    "UnknownStream",
    "UpstreamFailed",
    "parse_after",
]
