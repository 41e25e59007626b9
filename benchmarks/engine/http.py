"""What all requests of the engine's have in common."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import aiohttp

from benchmarks.engine.decoding import Fault

LIMITS: Final = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}
"""Statuses of requests that were too many, or too much."""


async def check(response: aiohttp.ClientResponse, status: HTTPStatus) -> None:
    """Raise Fault, with what the server says of it, unless the response has *status*."""
    if response.status != status:
        body = (await response.content.read(400)).decode(errors="replace")
        route = response.url.parts[1]  # what follows may be a session's id, which is a secret
        raise Fault(refusal(f"{response.method} /{route}", response.status, status, body))


def refusal(request: str, got: int, wanted: HTTPStatus, body: str) -> str:
    """Say that *request* was answered with another status than *wanted*; a limit of the server's is told as one."""
    limit = " (a limit of the server's)" if got in LIMITS else ""
    return f"{request}: {got}{limit}, not {wanted:d}: {body}"
