"""Who may: the `authorize` hook, the errors it refuses with, and bearer tokens as an implementation of it.

A hook is an async function of the connection, HTTP request or WebSocket handshake. It returns None to let it pass and
raises `Unauthenticated` or `Forbidden` to refuse it; `transports.security` calls it before anything of the app runs.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import ClassVar, Final, TypeAlias

from starlette.requests import HTTPConnection

from streamlanes.producers.errors import StreamError
from streamlanes.producers.wire import WS_FORBIDDEN, WS_UNAUTHENTICATED

Authorize: TypeAlias = Callable[[HTTPConnection], Awaitable[None]]
"""Lets a connection pass by returning None; raises NotAllowed to refuse it. Any other end is answered 500."""

SUBPROTOCOL: Final = "streamlanes"
"""What a WebSocket client offers beside its token, and what the server then selects."""

BEARER_PREFIX: Final = "bearer."
"""What the subprotocol that carries a token begins with."""

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)
_BEARER = re.compile(r"bearer +(.+)", re.ASCII | re.IGNORECASE)


class NotAllowed(StreamError):
    """Base of what a hook refuses with. The message is sent to the client: no secrets, no internals."""

    status: ClassVar[int]
    close_code: ClassVar[int]
    headers: ClassVar[Mapping[str, str]] = MappingProxyType({})


class Unauthenticated(NotAllowed):
    """It isn't known who asks (401, 4401); come again with credentials."""

    status = 401
    close_code = WS_UNAUTHENTICATED
    headers = MappingProxyType({"WWW-Authenticate": "Bearer"})


class Forbidden(NotAllowed):
    """It is known who asks, and they may not (403, 4403); coming again with the same credentials can't help."""

    status = 403
    close_code = WS_FORBIDDEN


class BearerToken:
    """Lets whoever brings one of *tokens* pass, on every lane (RFC 6750).

    Programs send `Authorization: Bearer TOKEN`. A browser's EventSource and WebSocket can't set headers, so there it is
    the cookie named *cookie* (set it `HttpOnly; Secure; SameSite=Strict`), or the WebSocket subprotocol `bearer.TOKEN`
    offered beside `streamlanes`: `new WebSocket(url, ["streamlanes", "bearer." + token])`; a token for it has neither
    `/` nor `=`, as `secrets.token_urlsafe` makes them. Never the query string, which ends up in logs and histories.

    What is first in this order decides: header, subprotocol, cookie; a wrong one isn't made good by a later one, and
    two headers, or two tokens among the subprotocols, are refused. Only SHA-256 digests of the tokens are kept, and
    all of them compared, each in constant time: time tells neither a token's length nor how much of one was right.

    Raises ValueError, without the token in it, if there are none or one isn't of RFC 6750's characters.
    """

    def __init__(self, tokens: Iterable[str], *, cookie: str | None = None) -> None:
        known = [tokens] if isinstance(tokens, str) else list(tokens)  # a string's characters are no tokens
        if not known or not all(_TOKEN.fullmatch(token) for token in known):
            raise ValueError("give at least one token, each of A-Z a-z 0-9 . _ ~ + / - with = at most at its end")
        self._digests = tuple(_digest(token) for token in known)
        self._cookie = cookie

    async def __call__(self, connection: HTTPConnection) -> None:
        """Return if the connection brings one of the tokens. Raises Unauthenticated."""
        offered = self._offered(connection)
        if offered is None:
            raise Unauthenticated("a bearer token is needed")
        digest = _digest(offered)
        matches = [secrets.compare_digest(known, digest) for known in self._digests]  # all, whichever it is
        if True not in matches:
            raise Unauthenticated("the bearer token isn't valid")

    def _offered(self, connection: HTTPConnection) -> str | None:
        sent = connection.headers.getlist("authorization")
        if bearers := [match[1] for header in sent if (match := _BEARER.fullmatch(header.strip()))]:
            return _only(bearers)
        if bearers := [name for name in subprotocols(connection) if name.startswith(BEARER_PREFIX)]:
            return _only(bearers).removeprefix(BEARER_PREFIX)
        return None if self._cookie is None else connection.cookies.get(self._cookie)


def subprotocols(connection: HTTPConnection) -> list[str]:
    """Return what a WebSocket handshake offers, in its order; nothing for a request."""
    return [str(name) for name in connection.scope.get("subprotocols") or ()]


def selected_subprotocol(connection: HTTPConnection) -> str | None:
    """Return what to accept a WebSocket with: `streamlanes` if it is offered, else none.

    A token that was offered is never selected: the response would repeat it. A browser that offers subprotocols and
    gets none fails the connection, which is why it has to offer `streamlanes` too.
    """
    return SUBPROTOCOL if SUBPROTOCOL in subprotocols(connection) else None


def _only(offered: list[str]) -> str:
    if len(offered) > 1:
        raise Unauthenticated("one bearer token is needed, not several")
    return offered[0]


def _digest(token: str) -> bytes:
    # Header values are Latin-1; cookies may hold what the parser has unquoted to anything.
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
