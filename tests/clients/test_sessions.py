"""Starting a session, and what the package finds and offers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from streamlanes import clients
from streamlanes.clients import Options, Started, discovery, lanes, sse, start
from streamlanes.producers.errors import ConnectionLost, ProtocolViolation, Refused, RequestRejected, StreamError
from streamlanes.producers.events import JSON
from streamlanes.producers.wire import Wire
from tests.clients.peers import WIRES, at, compact, listening, response_head


@asynccontextmanager
async def answering(
    status: int, fields: JSON, headers: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server with one answer for everything; None: it never answers."""
    requests: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0)
        requests.append(head + await reader.readexactly(length))
        if fields is not None:
            body = compact(fields).encode()
            kind = "application/json" if status < 400 else "application/problem+json"
            writer.write(response_head(status, kind, len(body), headers) + body)
            await writer.drain()
        await reader.read()

    async with listening(answer) as base:
        yield f"{base}/api/", requests


async def test_start_gives_links_that_can_be_connected_to() -> None:
    fields: JSON = {"session_id": "x", "cursor": "k3f9a2:0", "links": {"sse": "/api/sse/x"}}
    async with answering(201, fields) as (url, requests):
        started = await start(url, "tokens", {"rate": 5})
    assert started == Started(session_id="x", cursor=at(0), links={"sse": f"{url}sse/x"})
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/start ")
    assert json.loads(body) == {"producer": "tokens", "params": {"rate": 5}}


async def test_a_session_can_be_started_that_stops_when_unread() -> None:
    fields: JSON = {"session_id": "x", "cursor": "k3f9a2:0", "links": {}}
    async with answering(201, fields) as (url, requests):
        await start(url, "tokens", stop_when_unread=0)
    body = requests[0].partition(b"\r\n\r\n")[2]
    assert json.loads(body) == {"producer": "tokens", "params": {}, "stop_when_unread": 0}


async def test_lanes_are_named_with_their_wires() -> None:
    async with answering(200, {"status": "ok", "lanes": {"sse": "sse", "ws": "websocket"}}) as (url, requests):
        assert await lanes(url) == {"sse": "sse", "ws": "websocket"}
    assert requests[0].startswith(b"GET /api/healthz ")


@pytest.mark.parametrize(
    ("status", "fields", "error"),
    [
        (422, {"detail": "there is no producer 'x'"}, RequestRejected),
        (503, {"detail": "draining"}, Refused),
        (500, {}, ConnectionLost),
        (200, {}, ProtocolViolation),
        (201, [], ProtocolViolation),
        (201, {"session_id": "x", "cursor": "k3f9a2:0", "links": {"sse": 1}}, ProtocolViolation),
        (201, None, ConnectionLost),
    ],
)
async def test_start_fails_as_a_stream_would(status: int, fields: JSON, error: type[StreamError]) -> None:
    async with answering(status, fields, {"Retry-After": "3"}) as (url, requests):
        with pytest.raises(error) as caught:
            await start(url, "x", options=Options(open_timeout=0.2))
    assert len(requests) == 1  # a session that was started unheard would live on; its TTL takes it away
    if isinstance(caught.value, Refused):
        assert caught.value.retry_after == 3


async def test_a_server_that_is_not_there() -> None:
    async with answering(200, {}) as (url, _):
        pass
    with pytest.raises(ConnectionLost):
        await lanes(url)
    with pytest.raises(ValueError, match="URL"):
        await lanes("nowhere")


def test_every_wire_has_its_client() -> None:
    found = clients.discover()
    assert set(found) == set(WIRES)
    assert all(client.wire == wire for wire, client in found.items())


def test_other_packages_announce_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    def announce(name: str) -> None:
        point = EntryPoint("theirs", f"{__name__}:{name}", discovery.ENTRY_POINTS)
        monkeypatch.setattr(
            "streamlanes.producers.discovery.entry_points", lambda group: EntryPoints([point]).select(group=group)
        )

    announce("ANOTHER")
    assert clients.discover()[ANOTHER.wire] is ANOTHER
    announce("RIVAL")
    with pytest.raises(ValueError, match=r"SSEClient and SSEClient both read sse"):
        clients.discover()


class Another(sse.SSEClient):
    """A client of another package."""

    wire = Wire("carrier-pigeon")


ANOTHER = Another()
RIVAL = sse.SSEClient()


def test_a_client_needs_no_server() -> None:
    code = "import sys, streamlanes.clients; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    imported = set(run.stdout.split())
    assert "streamlanes.clients.sse" in imported
    above = {"streamlanes.transports", "streamlanes.benchmarks", "pydantic", "fastapi", "starlette", "aiohttp"}
    assert not above & imported
