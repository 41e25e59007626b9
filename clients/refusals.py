"""What a server's refusal means, in HTTP statuses and WebSocket close codes. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from streamlanes.clients.messages import Fields, count_in, cursor_in, json_object
from streamlanes.producers.backoff import seconds_until
from streamlanes.producers.errors import (
    ConnectionLost,
    CursorExpired,
    InboxFull,
    ProtocolViolation,
    Refused,
    RequestRejected,
    StreamEnded,
    StreamError,
    UnknownStream,
)
from streamlanes.producers.events import After, Cursor
from streamlanes.producers.wire import WS_CURSOR_EXPIRED, WS_UNKNOWN

PASSING: Final = frozenset({408, 425})
"""Statuses below 500 that are about the connection, not the request: it took too long, or came too early."""


def refused_with_status(
    status: int, *, body: bytes, after: After = "start", retry_after: str | None = None, location: str | None = None
) -> StreamError:
    """Return the error that a response to a request for the stream after *after* stands for.

    *body* may be a problem (RFC 9457), whose detail is told; *retry_after* and *location* are header fields.
    """
    problem = _problem(body)
    message = "; ".join(_reasons(status, problem))
    if status in {429, 503}:
        return Refused(message, status=status, retry_after=seconds_until(retry_after))
    if status >= 500 or status in PASSING:
        return ConnectionLost(message)
    if status == 404:
        return UnknownStream(message)
    if status == 410:
        return _expired(after, problem)
    if status == 421:
        advice = "ask under another name, or let the server go by this one (STREAMLANES_ALLOWED_HOSTS)"
        return RequestRejected(f"{message}; {advice}", status=status)
    if status >= 400:
        return RequestRejected(message, status=status)
    if status >= 300 and status != HTTPStatus.NOT_MODIFIED:
        where = "elsewhere" if location is None else f"to {location}"
        return RequestRejected(f"the server redirects {where}; use that address", status=status)
    return ProtocolViolation(f"{message}: not the answer of a stream")


def not_taken(status: int, *, body: bytes, retry_after: str | None = None, location: str | None = None) -> StreamError:
    """Return the error that a response to a message for the stream's producer stands for."""
    error = refused_with_status(status, body=body, retry_after=retry_after, location=location)
    match status:
        case 409:
            return StreamEnded(str(error))
        case 429:
            return InboxFull(str(error))
        case _:
            return error


def refused_with_code(code: int, reason: str, *, after: After) -> StreamError:
    """Return the error that the close of a WebSocket stands for; the stream's end has come before it, if at all."""
    if code == WS_UNKNOWN:
        return UnknownStream(reason or "there is no such stream here; start a new one")
    if code == WS_CURSOR_EXPIRED:
        return _expired(after, json_object(reason))
    if 4400 <= code < 4500 and code != 4408:  # 4408, too slow, passes: the reader may well keep up next time
        return RequestRejected(reason or f"the server closed the connection with {code}", status=code)
    return ConnectionLost(f"the server closed the connection with {code}{f' ({reason})' if reason else ''}")


def _problem(body: bytes) -> Fields:
    try:
        return json_object(body)
    except ProtocolViolation:  # a page of some proxy's; the status says enough
        return {}


def _reasons(status: int, problem: Fields) -> Iterator[str]:
    detail = problem.get("detail") or problem.get("title")
    summary = detail if isinstance(detail, str) else f"the server answered {status} {_phrase(status)}".rstrip()
    yield summary
    errors = problem.get("errors")
    for error in errors if isinstance(errors, list) else []:
        if isinstance(error, dict) and str(error.get("message")) not in summary:
            yield f"{error.get('field')}: {error.get('message')}"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _expired(after: After, problem: Fields) -> StreamError:
    if not isinstance(after, Cursor):
        return ProtocolViolation(f"the server can't continue a cursor, but was asked to read from {after!r}")
    return CursorExpired(
        after,
        oldest=cursor_in(problem, "oldest"),
        head=cursor_in(problem, "head"),
        missing=count_in(problem, "missing"),
    )
