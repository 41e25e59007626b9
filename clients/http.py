"""The border to httpx, for the three wires that are HTTP: requests go out and its errors come in as the project's."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache

import httpx

from streamlanes.clients.options import Options
from streamlanes.clients.refusals import refused_with_status
from streamlanes.producers.errors import ConnectionLost, ProtocolViolation
from streamlanes.producers.events import After

PROBLEM = "application/problem+json"


@asynccontextmanager
async def http_client(options: Options) -> AsyncGenerator[httpx.AsyncClient, None]:
    """Make a client that keeps its connections alive until the block is left, in which errors are the project's."""
    with translated():
        async with new_client(options) as client:
            yield client


def new_client(options: Options) -> httpx.AsyncClient:
    """Make a client, for the caller to close.

    It has no time-outs of its own: `EventStream` watches over all wires alike. Bodies aren't compressed, as on
    WebSocket, so that nothing waits for a compressor's buffer to fill.
    """
    return httpx.AsyncClient(
        headers={"Accept-Encoding": "identity", "Cache-Control": "no-store", **options.headers},
        proxy=options.proxy,
        timeout=None,  # noqa: S113 (EventStream and sessions have them)
        trust_env=False,
        verify=_tls(),
    )


@asynccontextmanager
async def get_stream(url: str, *, accept: str, after: After, options: Options) -> AsyncGenerator[httpx.Response, None]:
    """Ask for a response of the media type *accept* that is read as it comes; leaving the block closes its connection.

    Raises what `check` raises, and ConnectionLost, in the block too.
    """
    async with (
        http_client(options) as client,
        client.stream("GET", url, headers={"Accept": f"{accept}, {PROBLEM}"}) as response,
    ):
        await check(response, accept, after=after)
        yield response


async def check(response: httpx.Response, accept: str, *, after: After = "start", status: int = 200) -> None:
    """Pass a response of this status and media type; raise the error that any other stands for."""
    if response.status_code != status:
        raise refused_with_status(
            response.status_code,
            body=await response.aread(),
            after=after,
            retry_after=response.headers.get("Retry-After"),
            location=response.headers.get("Location"),
        )
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != accept:
        raise ProtocolViolation(
            f"the answer is {media_type or 'of no type'}, not {accept}: is this a streamlanes server?"
        )


@contextmanager
def translated() -> Iterator[None]:
    """Raise httpx's errors as the project's."""
    try:
        yield
    except httpx.TransportError as error:
        raise ConnectionLost(str(error) or type(error).__name__) from error
    except httpx.DecodingError as error:
        raise ProtocolViolation(f"the answer can't be decompressed: {error}") from error


@cache
def _tls() -> ssl.SSLContext:
    """Reading the certificates takes longer than all else about a connection."""
    return httpx.create_ssl_context()
