"""`upstream`: relays the answer of an OpenAI-style chat completion API (see `completion`) as it comes.

Each piece of text is an event, a string; the last event, of type `finish`, has `finish_reason` and `usage`. What may be
asked is named when the server starts: an `endpoint.Endpoint` each, by name. A reader's parameters choose one, and say
what is asked; they can't choose an address, nor a model, and the key is in nothing that comes out: events, errors or
the log.

Until the first byte of an answer, a lost connection and the statuses of `RETRIED_STATUSES` are tried again, with
back-off; then never, since what was told can't be taken back: an answer that breaks off, falls silent, or grows over a
bound ends the stream as `failed`, and the log says why. The request is closed as soon as the producer is stopped.

Needs httpx and httpx-sse: `pip install 'streamlanes[upstream]'`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from itertools import count
from typing import Final

from pydantic import ConfigDict, ValidationInfo, field_validator

from streamlanes.producers.backoff import full_jitter, seconds_until
from streamlanes.producers.errors import ProtocolViolation, Refused, UpstreamFailed
from streamlanes.producers.events import Item, encode_json
from streamlanes.producers.producer import Context, Producer
from streamlanes.producers.upstream.completion import Answer, code_in
from streamlanes.producers.upstream.endpoint import MAX_TOKENS, Endpoint, UpstreamParams

try:
    import httpx
    from httpx_sse import ServerSentEvent

    from streamlanes.producers.certificates import no_tls, tls
    from streamlanes.producers.event_stream import EVENT_STREAM, server_sent_events
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"the producer upstream needs a package that isn't installed ({error.name}): "
        "pip install 'streamlanes[upstream]'",
        name=error.name,
    ) from error

logger = logging.getLogger("streamlanes")

FINISH: Final = "finish"
"""The type of an answer's last event."""

MAX_BYTES: Final = 16 * 1024 * 1024
"""Bytes of an answer, as the API sends it."""
MAX_REFUSAL_BYTES: Final = 16 * 1024

ATTEMPTS: Final = 4
FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 8.0
LONGEST_RETRY_AFTER: Final = 60.0
"""Seconds; an API that asks for more has refused."""
CONNECT_SECONDS: Final = 10.0
RETRIED_STATUSES: Final = frozenset({429, 502, 503, 504})
RETRIED_ERRORS: Final = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)
"""Not silence: who says nothing may be working at the answer already."""


def producer(
    endpoints: Mapping[str, Endpoint],
    *,
    rng: Callable[[], float] = random.random,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Producer[UpstreamParams]:
    """Return the producer that relays *endpoints*, by name, and no others.

    Raises ValueError if one is https, and the certificates that the environment names can't be read.
    """
    for endpoint in endpoints.values():
        _checking(endpoint)

    class KnownUpstreamParams(UpstreamParams):
        model_config = ConfigDict(title=UpstreamParams.__name__)

        @field_validator("upstream")
        @classmethod
        def _known(cls, name: str) -> str:
            if name not in endpoints:
                raise ValueError(f"there is no upstream {name!r}; there are {', '.join(sorted(endpoints)) or 'none'}")
            return name

        @field_validator("max_tokens")
        @classmethod
        def _allowed(cls, asked: int | None, info: ValidationInfo) -> int | None:
            endpoint = endpoints.get(info.data.get("upstream", ""))
            most = MAX_TOKENS if endpoint is None else endpoint.most_tokens
            if asked is not None and isinstance(most, int) and asked > most:
                raise ValueError(f"this upstream gives {most:,} at most")
            return asked

    async def upstream(params: UpstreamParams, context: Context) -> AsyncGenerator[Item, None]:
        """Yield the pieces of the answer as they come, then how it finished. Raises UpstreamFailed."""
        endpoint = endpoints[params.upstream]
        try:
            async with aclosing(_relayed(endpoint, params, rng, sleep)) as items:
                async for item in items:
                    yield item
        except (UpstreamFailed, ProtocolViolation) as error:
            fault = str(error) if endpoint.key is None else str(error).replace(endpoint.key, "…")
            # Without the errors behind it: what a library quotes might be the API's words, and those the key.
            raise UpstreamFailed(f"upstream {params.upstream}: {fault}") from None

    return Producer("upstream", KnownUpstreamParams, upstream)


async def _relayed(
    endpoint: Endpoint,
    params: UpstreamParams,
    rng: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
) -> AsyncGenerator[Item, None]:
    deadline = asyncio.get_running_loop().time() + endpoint.max_seconds
    answer = Answer()
    async with aclosing(_events(endpoint, params, rng, sleep)) as events:
        while not answer.done:
            try:
                async with asyncio.timeout_at(deadline):  # around the wait only: a time-out must not strike at a yield
                    event = await anext(events, None)
            except TimeoutError:
                raise UpstreamFailed(f"its answer took longer than {endpoint.max_seconds:g} s") from None
            if event is None:
                break
            if text := answer.take(event.data, event.event):
                yield Item(text)
    answer.check_whole()
    yield Item({"finish_reason": answer.finish_reason, "usage": answer.usage}, FINISH)


async def _events(
    endpoint: Endpoint,
    params: UpstreamParams,
    rng: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
) -> AsyncGenerator[ServerSentEvent, None]:
    """Yield each event of one answer, asking for it again until it has begun."""
    headers = {
        "Accept": EVENT_STREAM,
        "Accept-Encoding": "identity",  # nothing waits in a compressor, and a byte is a byte
        "Content-Type": "application/json",
        **({} if endpoint.key is None else {"Authorization": f"Bearer {endpoint.key}"}),
    }
    content = encode_json(endpoint.request(params)).encode()
    times = httpx.Timeout(endpoint.silence, connect=CONNECT_SECONDS)
    async with httpx.AsyncClient(timeout=times, verify=_checking(endpoint)) as client:
        for attempt in count(1):
            body: _Bounded | None = None
            try:
                async with client.stream("POST", endpoint.url, content=content, headers=headers) as response:
                    await _check(response)
                    response.stream = body = _Bounded(response.stream, MAX_BYTES)
                    async with aclosing(server_sent_events(response, max_event_bytes=MAX_BYTES)) as events:
                        async for event in events:
                            if event.data or event.event == "error":
                                yield event
                    return
            except Refused as error:
                fault, patience = str(error), error.retry_after
            except RETRIED_ERRORS as error:
                fault, patience = _words(error), 0.0
                if body is not None and body.received:
                    raise UpstreamFailed(f"it broke off in mid-answer: {fault}") from None
            except httpx.TimeoutException:
                raise UpstreamFailed(f"it was silent for {endpoint.silence:g} s") from None
            except httpx.RequestError as error:
                raise UpstreamFailed(_words(error)) from None
            if attempt == ATTEMPTS or patience > LONGEST_RETRY_AFTER:
                asks = f": it wants {patience:,.0f} s of patience" if patience > LONGEST_RETRY_AFTER else ""
                raise UpstreamFailed(f"{fault}; given up at attempt {attempt}{asks}")
            delay = patience + full_jitter(attempt, first=FIRST_DELAY, longest=LONGEST_DELAY, rng=rng)
            logger.info("upstream is asked again", extra={"upstream": params.upstream, "in_seconds": round(delay, 3)})
            await sleep(delay)


def _checking(endpoint: Endpoint) -> ssl.SSLContext:
    return tls() if endpoint.url.startswith("https:") else no_tls()


async def _check(response: httpx.Response) -> None:
    """Pass an answer that is an event stream. Raises Refused where it may be asked for again, and UpstreamFailed."""
    status = response.status_code
    if status in RETRIED_STATUSES:
        raise Refused(
            f"it answered {status}", status=status, retry_after=seconds_until(response.headers.get("Retry-After"))
        )
    if status != 200:
        raise UpstreamFailed(f"it answered {status}{await _code(response)}")
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != EVENT_STREAM:
        raise UpstreamFailed(
            f"its answer isn't {EVENT_STREAM}: does it know `stream`, and is the address the right one?"
        )
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UpstreamFailed("its answer is compressed, though that wasn't asked for")


async def _code(response: httpx.Response) -> str:
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        return ""  # the bound is on bytes that come, and 2 KB of them can unpack to a gigabyte
    response.stream = _Bounded(response.stream, MAX_REFUSAL_BYTES)
    try:
        return code_in(json.loads(await response.aread()))
    except (httpx.RequestError, UpstreamFailed, ValueError, RecursionError):  # the status says enough
        return ""


def _words(error: httpx.RequestError) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")


class _Bounded(httpx.AsyncByteStream):
    """A response's bytes, up to a limit, so that nothing behind it can grow without one. Raises UpstreamFailed."""

    def __init__(self, stream: httpx.SyncByteStream | httpx.AsyncByteStream, limit: int) -> None:
        assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 (what an AsyncClient's responses have)
        self._stream = stream
        self._limit = limit
        self.received = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self.received += len(chunk)
            if self.received > self._limit:
                raise UpstreamFailed(f"its answer has more than {self._limit:,} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
