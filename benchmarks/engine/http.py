"""Reading the streaming HTTP wires: a response whose body goes on until the stream has ended."""

from __future__ import annotations

import time
from http import HTTPStatus

import aiohttp
from yarl import URL

from benchmarks.engine.decoding import Decoder, Fault
from benchmarks.engine.recorder import Recorder


async def read_body(http: aiohttp.ClientSession, url: URL, accept: str, decoder: Decoder, recorder: Recorder) -> None:
    """Read the stream at *url* from its start to its end. Raises Fault, and what aiohttp raises."""
    try:
        async with http.get(url, headers={"Accept": accept}) as response:
            await check(response, HTTPStatus.OK)
            async for chunk in response.content.iter_any():
                received_ns = time.monotonic_ns()
                recorder.take(received_ns, decoder.feed(chunk))
    finally:
        recorder.close(decoder.place)
    if decoder.place.outcome is None:
        raise Fault("the server closed the connection before the end")


async def check(response: aiohttp.ClientResponse, status: HTTPStatus) -> None:
    """Raise Fault, with what the server says of it, unless the response has *status*."""
    if response.status != status:
        body = (await response.content.read(400)).decode(errors="replace")
        route = response.url.parts[1]  # what follows may be a session's id, which is a secret
        raise Fault(f"{response.method} /{route}: {response.status}, not {status:d}: {body}")
