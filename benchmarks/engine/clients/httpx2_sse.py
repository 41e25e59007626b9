"""httpx2 (https://github.com/pydantic/httpx2) and its own server-sent events, as in a program that has nothing else."""

from __future__ import annotations

import json
import ssl
import time
from functools import cache
from http import HTTPStatus
from typing import Final

import aiohttp
import httpx2
from yarl import URL

from streamlanes.benchmarks.engine.decoding.decoder import Position, ReadingFailed
from streamlanes.benchmarks.engine.recorder import Recorder
from streamlanes.benchmarks.engine.sending import Sender
from streamlanes.producers.certificates import no_tls
from streamlanes.producers.errors import InvalidCursor
from streamlanes.producers.events import Cursor
from streamlanes.producers.wire import SSE, SSE_CONTROL_PREFIX


class Httpx2Reader:
    """Reads SSE lanes; of the protocol it knows what the gate needs: ids, and how the stream ended."""

    wire = SSE
    way_up = None
    library = "httpx2"

    async def read(
        self, http: aiohttp.ClientSession, url: URL, recorder: Recorder, sender: Sender | None = None
    ) -> None:
        recorder.times_connect = False
        place = Position()
        headers = {**http.headers, "Accept": "text/event-stream, application/problem+json"}
        try:
            async with (
                httpx2.AsyncClient(
                    timeout=None, trust_env=False, verify=_tls() if url.scheme == "https" else no_tls()
                ) as client,
                client.sse(str(url), headers=headers) as source,
            ):
                await _check(source.response)
                async for event in source:
                    received_ns = time.monotonic_ns()
                    if event.event.startswith(SSE_CONTROL_PREFIX):
                        place.control(event.event.removeprefix(SSE_CONTROL_PREFIX), json.loads(event.data))
                    elif event.data:
                        epoch, offset = Cursor.parse(event.id)
                        place.meet(epoch.encode())
                        recorder.take_one(received_ns, offset, event.data.encode())
        except (httpx2.HTTPError, InvalidCursor) as error:
            raise ReadingFailed(str(error) or type(error).__name__) from error
        finally:
            recorder.close(place)
        if place.outcome is None:
            raise ReadingFailed("the server closed the connection before the end")


async def _check(response: httpx2.Response) -> None:
    if response.status_code != HTTPStatus.OK:
        body = (await response.aread())[:400].decode(errors="replace")
        raise ReadingFailed(f"{response.status_code}, not {HTTPStatus.OK:d}: {body}")


@cache
def _tls() -> ssl.SSLContext:
    """Reading the certificates takes longer than all else about a connection."""
    return httpx2.create_ssl_context()


READERS: Final = (Httpx2Reader(),)
