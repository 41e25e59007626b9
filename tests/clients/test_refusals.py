"""What refusals mean, how long to stay away, and where to go."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from streamlanes.clients import LongPollClient, WebSocketClient
from streamlanes.clients.address import Address
from streamlanes.clients.options import Options
from streamlanes.clients.refusals import refused_with_code, refused_with_status
from streamlanes.producers.backoff import seconds_until
from streamlanes.producers.errors import (
    ConnectionLost,
    CursorExpired,
    ProtocolViolation,
    Refused,
    RequestRejected,
    StreamError,
    UnknownStream,
)
from tests.clients.peers import at

EXPIRED = json.dumps({"oldest": "k3f9a2:5", "head": "k3f9a2:9", "missing": 3})


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (204, ProtocolViolation),
        (307, RequestRejected),
        (401, RequestRejected),
        (403, RequestRejected),
        (404, UnknownStream),
        (408, ConnectionLost),
        (421, RequestRejected),
        (425, ConnectionLost),
        (422, RequestRejected),
        (429, Refused),
        (500, ConnectionLost),
        (502, ConnectionLost),
        (503, Refused),
        (599, ConnectionLost),
    ],
)
def test_statuses(status: int, error: type[StreamError]) -> None:
    assert type(refused_with_status(status, body=b"<html>")) is error


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (1000, ConnectionLost),
        (1001, ConnectionLost),
        (1011, ConnectionLost),
        (4400, RequestRejected),
        (4401, RequestRejected),
        (4403, RequestRejected),
        (4404, UnknownStream),
        (4408, ConnectionLost),
    ],
)
def test_close_codes(code: int, error: type[StreamError]) -> None:
    assert type(refused_with_code(code, "", after="start")) is error


def test_an_expired_cursor_says_where_to_go_on() -> None:
    for error in (
        refused_with_status(410, body=EXPIRED.encode(), after=at(2)),
        refused_with_code(4410, EXPIRED, after=at(2)),
    ):
        assert isinstance(error, CursorExpired)
        assert (error.after, error.oldest, error.head, error.missing) == (at(2), at(5), at(9), 3)
    assert isinstance(refused_with_status(410, body=EXPIRED.encode(), after="now"), ProtocolViolation)


def test_the_problem_is_told_once() -> None:
    fault = {"field": "after", "message": "isn't a cursor"}
    body = json.dumps({"title": "Unprocessable", "detail": "can't be read", "errors": [fault]}).encode()
    assert str(refused_with_status(422, body=body)) == "can't be read; after: isn't a cursor"
    body = json.dumps({"detail": "after: isn't a cursor", "errors": [fault]}).encode()
    assert str(refused_with_status(422, body=body)) == "after: isn't a cursor"


def test_retry_after_is_seconds_or_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 95 < seconds_until(soon) <= 100
    assert seconds_until("7") == 7
    past = "Fri, 01 Jan 2021 00:00:00 GMT"
    assert [seconds_until(text) for text in (None, "", "-3", "soon", "nan", "inf", past)] == [0] * 7


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True), st.floats(0, 1000))
def test_delays_are_spread_bounded_and_never_before_retry_after(failures: int, luck: float, floor: float) -> None:
    delay = Options(rng=lambda: luck).delay(failures, floor)
    assert delay == floor + luck * min(0.5 * 2 ** min(failures - 1, 10), 20)


def test_options_must_make_sense() -> None:
    with pytest.raises(ValueError, match="positive"):
        Options(open_timeout=0)
    with pytest.raises(ValueError, match="attempt"):
        Options(attempts=0)


@pytest.mark.parametrize(("wait", "limit"), [(0, 1), (61, 1), (1, 0), (1, 1001)])
def test_polls_have_bounds(wait: float, limit: int) -> None:
    with pytest.raises(ValueError, match="poll"):
        LongPollClient().connect("http://127.0.0.1/poll/x", wait=wait, limit=limit)


@pytest.mark.parametrize(
    "url", ["", "sse/x", "127.0.0.1:80/sse/x", "ftp://h/x", "http:///x", "http://h:x/", "http://[/"]
)
def test_what_is_not_a_url_is_told_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        Address.parse(url)


def test_an_address_keeps_its_query_and_changes_its_scheme() -> None:
    address = Address.parse("https://h:1/api/sse/x?token=a%26b&after=start")
    assert address.http(after="k:1", wait="0") == "https://h:1/api/sse/x?token=a%26b&after=k:1&wait=0"
    assert address.websocket(after="now") == "wss://h:1/api/sse/x?token=a%26b&after=now"
    assert Address.parse("ws://h/").http("/start") == "http://h/start"


async def test_a_websocket_does_not_follow_a_redirect_with_its_authorization() -> None:
    asked: list[str | None] = []

    def note(_: ServerConnection, request: Request) -> Response:
        asked.append(request.headers.get("Authorization"))
        return Response(404, "Not Found", Headers())

    async with asyncio.timeout(10), serve(_ignore, "127.0.0.1", 0, process_request=note) as other:
        elsewhere = f"ws://127.0.0.1:{other.sockets[0].getsockname()[1]}/ws/news"

        def redirect(_: ServerConnection, __: Request) -> Response:
            return Response(307, "Temporary Redirect", Headers({"Location": elsewhere}))

        async with serve(_ignore, "127.0.0.1", 0, process_request=redirect) as here:
            url = f"ws://127.0.0.1:{here.sockets[0].getsockname()[1]}/ws/news"
            options = Options(headers={"Authorization": "Bearer s3cret"})
            with pytest.raises(RequestRejected, match=f"redirects to {elsewhere}; use that address"):
                async with WebSocketClient().connect(url, options=options) as stream:
                    await anext(stream)
    assert asked == []


async def _ignore(_: ServerConnection) -> None:
    """A handler that is never reached."""


def test_a_name_that_the_server_does_not_go_by_says_what_to_do() -> None:
    error = refused_with_status(421, body=b"")
    assert isinstance(error, RequestRejected)
    assert "STREAMLANES_ALLOWED_HOSTS" in str(error)
