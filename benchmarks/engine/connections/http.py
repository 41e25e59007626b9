"""What all requests of the engine's have in common."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import aiohttp

from streamlanes.benchmarks.engine.decoding.decoder import Lost, ReadingFailed
from streamlanes.benchmarks.engine.kernel_times import StampedRecorder
from streamlanes.benchmarks.engine.recorder import Recorder
from streamlanes.benchmarks.engine.traffic import Meter

UNAVAILABLE: Final = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
"""Another time it may be different."""

LIMITS: Final = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}
"""Statuses of requests that were too many, or too much."""


async def check(response: aiohttp.ClientResponse, status: HTTPStatus) -> None:
    """Raise ReadingFailed (Lost, if it may be different soon), with what the server says, unless *status* came."""
    if response.status != status:
        body = (await response.content.read(400)).decode(errors="replace")
        route = response.url.parts[1]  # what follows may be a session's id, which is a secret
        kind = Lost if response.status in UNAVAILABLE else ReadingFailed
        raise kind(refusal(f"{response.method} /{route}", response.status, status, body))


def refusal(request: str, got: int, wanted: HTTPStatus, body: str) -> str:
    """Say that *request* was answered with another status than *wanted*; a limit of the server's is told as one."""
    limit = " (a limit of the server's)" if got in LIMITS else ""
    return f"{request}: {got}{limit}, not {wanted:d}: {body}"


def client(
    recorder: Recorder,
    meter: Meter | None = None,
    *hooks: aiohttp.TraceConfig,
    headers: Mapping[str, str] | None = None,
) -> aiohttp.ClientSession:
    """Return a session for one reader, which sends *headers* too: no connection is taken over from another."""
    stamped = recorder.socket if isinstance(recorder, StampedRecorder) else None
    sockets = stamped if meter is None else meter.socket
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60, socket_factory=sockets),
        trace_configs=[recorder.trace(), *hooks],
        timeout=aiohttp.ClientTimeout(total=None),
        headers={"Accept-Encoding": "identity", **(headers or {})},
        cookie_jar=aiohttp.DummyCookieJar(),
    )
