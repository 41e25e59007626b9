"""A server's calls beside its streams: start a session, see the lanes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin

from streamlanes.clients.address import Address
from streamlanes.clients.http import MAX_PROBLEM, answer, http_client
from streamlanes.clients.messages import Fields, cursor_in, json_object, text_in
from streamlanes.clients.options import DEFAULTS, Options
from streamlanes.producers.errors import ConnectionLost, ProtocolViolation
from streamlanes.producers.events import JSON, Cursor
from streamlanes.producers.wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A new session."""

    session_id: str
    """Whoever has it may read the stream and delete it."""
    cursor: Cursor
    """Place before the first event."""
    links: Mapping[str, str]
    """The stream's URL on each lane, ready to connect to."""


async def start(
    base_url: str,
    producer: str,
    params: Mapping[str, JSON] | None = None,
    *,
    stop_when_unread: float | None = None,
    options: Options = DEFAULTS,
) -> Started:
    """Start a session at the server whose root is *base_url*, once: a call that fails isn't repeated.

    *stop_when_unread*: seconds after which its producer is stopped once the last reader has left; without, it goes on.
    Raises RequestRejected for a producer or parameters that the server doesn't know or allow, Refused if it takes no
    new sessions now, ConnectionLost if it can't be reached within `open_timeout`, ValueError for what isn't a URL.
    """
    url = Address.parse(base_url).http("/start")
    body: dict[str, JSON] = {"producer": producer, "params": {**(params or {})}}
    if stop_when_unread is not None:
        body["stop_when_unread"] = stop_when_unread
    fields = await _fields("POST", url, options, status=201, json=body)
    return Started(
        session_id=text_in(fields, "session_id"),
        cursor=cursor_in(fields, "cursor"),
        links={lane: urljoin(url, path) for lane, path in _texts(fields, "links").items()},
    )


async def lanes(base_url: str, *, options: Options = DEFAULTS) -> Mapping[str, Wire]:
    """Return the lanes of the server whose root is *base_url*, and which wire each writes.

    Raises Refused, ConnectionLost, ProtocolViolation if it isn't such a server, ValueError for what isn't a URL.
    """
    url = Address.parse(base_url).http("/healthz")
    fields = await _fields("GET", url, options)
    return {lane: Wire(name) for lane, name in _texts(fields, "lanes").items()}


async def _fields(method: str, url: str, options: Options, *, status: int = 200, json: JSON = None) -> Fields:
    try:
        async with asyncio.timeout(options.open_timeout), http_client(url, options) as client:
            body = await answer(client, method, url, "application/json", most=MAX_PROBLEM, status=status, json=json)
    except TimeoutError as error:
        raise ConnectionLost(f"no answer came within {options.open_timeout:g} s") from error
    return json_object(body)


def _texts(fields: Fields, name: str) -> Mapping[str, str]:
    value = fields.get(name)
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ProtocolViolation(f"{name!r} is {value!r:.80}, not an object of strings")
    return value
