"""Reading the streaming HTTP wires: a response whose body goes on until the stream has ended."""

from __future__ import annotations

import time
from http import HTTPStatus

import aiohttp
from yarl import URL

from streamlanes.benchmarks.engine.connections.http import check
from streamlanes.benchmarks.engine.decoding.decoder import Decoder, Lost
from streamlanes.benchmarks.engine.decoding.gathering import gather
from streamlanes.benchmarks.engine.recorder import Recorder
from streamlanes.benchmarks.engine.sending import Sender, posting


async def read_body(
    http: aiohttp.ClientSession,
    url: URL,
    accept: str,
    decoder: Decoder,
    recorder: Recorder,
    *,
    sender: Sender | None,
    to_close: bool = True,
) -> None:
    """Read the stream at *url* from its start to its end, and post what *sender* has meanwhile.

    With *to_close*, the server closes after the end, and what it sends until then is read. Raises Fault (Lost, if
    the connection ended before the stream), and what aiohttp raises.
    """
    try:
        async with posting(http, sender), http.get(url, headers={"Accept": accept}) as response:
            await check(response, HTTPStatus.OK)
            async for chunk in response.content.iter_any():
                received_ns = time.monotonic_ns()
                events = decoder.feed(chunk)
                recorder.take(received_ns, events)
                if decoder.place.outcome is not None and not to_close:
                    break
                if recorder.gathers:
                    gather(chunk, events)
    finally:
        recorder.close(decoder.place)
    if decoder.place.outcome is None:
        raise Lost("the server closed the connection before the end")
