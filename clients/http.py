"""The border to httpx, for the three wires that are HTTP: requests go out and its errors come in as the project's."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import httpx

from streamlanes.clients.options import Options
from streamlanes.clients.refusals import refused_with_status
from streamlanes.producers.certificates import no_tls, tls
from streamlanes.producers.errors import ConnectionLost, ProtocolViolation
from streamlanes.producers.events import JSON, After

PROBLEM: Final = "application/problem+json"
MAX_PROBLEM: Final = 64 * 1024
"""Bytes of a refusal that are read; what is said beyond isn't worth more."""


@asynccontextmanager
async def http_client(url: str, options: Options) -> AsyncGenerator[httpx.AsyncClient, None]:
    """Make a client for the server of *url*.

    It keeps its connections alive until the block is left, in which errors are the project's.
    """
    with translated():
        async with new_client(url, options) as client:
            yield client


def new_client(url: str, options: Options) -> httpx.AsyncClient:
    """Make a client for the server of *url*, for the caller to close. Raises ValueError, as `certificates.tls` does.

    It has no time-outs of its own: `EventStream` watches over all wires alike. Bodies aren't compressed, as on
    WebSocket, so that nothing waits for a compressor's buffer to fill.
    """
    return httpx.AsyncClient(
        headers={"Accept-Encoding": "identity", "Cache-Control": "no-store", **options.headers},
        proxy=options.proxy,
        timeout=None,  # noqa: S113 (EventStream and sessions have them)
        trust_env=False,
        verify=tls() if url.startswith("https:") or (options.proxy or "").startswith("https:") else no_tls(),
    )


@asynccontextmanager
async def get_stream(url: str, *, accept: str, after: After, options: Options) -> AsyncGenerator[httpx.Response, None]:
    """Ask for a response of the media type *accept* that is read as it comes; leaving the block closes its connection.

    Raises what `check` raises, and ConnectionLost, in the block too.
    """
    async with (
        http_client(url, options) as client,
        client.stream("GET", url, headers={"Accept": f"{accept}, {PROBLEM}"}) as response,
    ):
        await check(response, accept, after=after)
        yield response


async def answer(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    accept: str,
    *,
    most: int,
    after: After = "start",
    status: int = 200,
    json: JSON = None,
) -> bytes:
    """Ask, and return the body of an answer of this status and media type, at most *most* bytes.

    Raises what `check` does, and ProtocolViolation for a longer one.
    """
    async with client.stream(method, url, headers={"Accept": f"{accept}, {PROBLEM}"}, json=json) as response:
        await check(response, accept, after=after, status=status)
        body = await beginning(response, most)
        if len(body) > most:
            raise ProtocolViolation(f"the answer has more than {most:,} bytes")
        return body


async def beginning(response: httpx.Response, most: int) -> bytes:
    """Return a response's body as far as it has *most* bytes; of a longer one, one chunk more. Packed, it is none."""
    body = bytearray()
    if _codings(response):
        return b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > most:
            break
    return bytes(body)


def _codings(response: httpx.Response) -> list[str]:
    """Return how a body is packed, though that isn't asked for."""
    named = response.headers.get("Content-Encoding", "").lower().split(",")
    return [name for part in named if (name := part.strip()) not in {"", "identity"}]


async def check(response: httpx.Response, accept: str, *, after: After = "start", status: int = 200) -> None:
    """Pass a response of this status and media type; raise the error that any other stands for."""
    if response.status_code != status:
        raise refused_with_status(
            response.status_code,
            body=await beginning(response, MAX_PROBLEM),
            after=after,
            retry_after=response.headers.get("Retry-After"),
            location=response.headers.get("Location"),
        )
    if len(codings := _codings(response)) > 1 or not {"gzip", "deflate"}.issuperset(codings):
        # A packet of some KB can unpack to gigabytes, at once; with one of these, to a thousand times its size.
        raise ProtocolViolation(f"the answer is compressed ({', '.join(codings)}), though that wasn't asked for")
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
