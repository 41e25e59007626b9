"""What the answer to a reader says of itself, whatever the lane made it with."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Scope

HOP_BY_HOP: Final = ("connection", "keep-alive", "proxy-connection")
"""Fields of one connection (RFC 9110 §7.6.1), which are the server's to write: libraries write some for it. See
findings/sse-starlette-connection-twice.sh."""


def live(start: Message, scope: Scope, *, streaming: bool) -> Message:
    """Return a response's first message, so that the response comes through at once and as it is.

    Whatever stands around the app leaves alone what has a coding already, if only `identity`; so it is written where
    the client would take another. *streaming*: proxies are asked to pass it on piece by piece (RFC 10036).
    """
    headers = MutableHeaders(raw=list(start.get("headers", ())))
    for name in HOP_BY_HOP:
        del headers[name]
    accepted = Headers(scope=scope).get("accept-encoding", "").split(",")
    codings = {coding.partition(";")[0].strip().lower() for coding in accepted}
    if codings - {"", "identity"}:
        headers.setdefault("content-encoding", "identity")
    if streaming and start["status"] == 200:
        headers["incremental"] = "?1"
    return {**start, "headers": headers.raw}
