"""What all requests of the engine's have in common."""

from __future__ import annotations

from http import HTTPStatus

import aiohttp

from benchmarks.engine.decoding import Fault


async def check(response: aiohttp.ClientResponse, status: HTTPStatus) -> None:
    """Raise Fault, with what the server says of it, unless the response has *status*."""
    if response.status != status:
        body = (await response.content.read(400)).decode(errors="replace")
        route = response.url.parts[1]  # what follows may be a session's id, which is a secret
        raise Fault(f"{response.method} /{route}: {response.status}, not {status:d}: {body}")
