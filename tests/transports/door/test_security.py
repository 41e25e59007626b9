"""The door, as seen from outside: each rule on every route and every lane, over real sockets."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI, WebSocket
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from streamlanes.contract.sources import AWKWARD, sources
from streamlanes.producers.wire import WEBSOCKET, WS_FORBIDDEN, WS_UNAUTHENTICATED
from streamlanes.transports import SharedStream, StreamService, discover
from streamlanes.transports.door.authorization import (
    Authorize,
    BearerToken,
    Forbidden,
    Unauthenticated,
    selected_subprotocol,
)
from streamlanes.transports.door.security import SECURITY_HEADERS, Security, secured
from streamlanes.transports.server.app import sessions_router
from streamlanes.transports.service.authority import AllowedHosts, Authority, Origin
from streamlanes.transports.service.settings import Settings
from tests.serving import serving_app

PAGE: Final = "https://app.example.com"
TOKEN: Final = "s3cret-T0ken_"  # noqa: S105 - of these tests only
UPGRADE: Final = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
INSIDE: Final = {101, 200, 202, 204, 404, 405, 409, 422}
"""What the app itself answers to these tests' requests; and 403 without a body, to a handshake at no route."""


class Endpoint(NamedTuple):
    """Something that can be asked for."""

    method: str
    target: str
    websocket: bool = False


class Reply(NamedTuple):
    """A response's head, and its body if it has a length."""

    asked: Endpoint
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return the values of a header."""
        return [value for key, value in self.headers if key == name]

    @property
    def inside(self) -> bool:
        """Whether the app gave it, and not the door."""
        return self.status in INSIDE or (self.status == 403 and not self.body)


def new_service() -> StreamService:
    params: dict[str, str | int] = {"count": 5, "arrivals": "at-once", "size": 32}
    return StreamService(producers=sources(), shared=[SharedStream(name="ended", producer="ticker", params=params)])


def bare_app(service: StreamService) -> FastAPI:
    """The routes and lanes without a door."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service:
            yield

    app = FastAPI(lifespan=lifespan)
    lanes = list(discover().values())
    app.include_router(sessions_router(service, lanes))
    for lane in lanes:
        app.include_router(lane.router(service))
    return app


def endpoints() -> list[Endpoint]:
    """All that the app has, and what it hasn't."""
    paths = bare_app(new_service()).openapi()["paths"]
    found = [
        Endpoint(method.upper(), re.sub(r"\{.*?\}", "ended", path))
        for path, methods in paths.items()
        for method in methods
    ]
    sockets = [Endpoint("GET", f"/{lane.name}/ended", True) for lane in discover().values() if lane.wire == WEBSOCKET]
    return [
        *found,
        *sockets,
        Endpoint("GET", "/openapi.json"),
        Endpoint("GET", "/nothing"),
        Endpoint("GET", "/nothing", True),
        Endpoint("OPTIONS", "/start"),
    ]


ENDPOINTS: Final = endpoints()
REQUESTS: Final = [endpoint for endpoint in ENDPOINTS if not endpoint.websocket]
one_of_each = pytest.mark.parametrize("endpoint", [Endpoint("GET", "/healthz"), Endpoint("GET", "/ws/ended", True)])


@asynccontextmanager
async def guarded(
    *, hosts: Sequence[str] = ("127.0.0.1",), origins: Sequence[str] = (), authorize: Authorize | None = None
) -> AsyncIterator[str]:
    """Serve all routes and lanes behind the door; gives the base URL."""
    app = bare_app(new_service())
    settings = Settings(allowed_hosts=tuple(hosts), allowed_origins=tuple(origins))
    app.add_middleware(Security, settings=settings, authorize=authorize)
    async with serving_app(app) as url:
        yield url


async def ask(url: str, endpoint: Endpoint, headers: Mapping[str, str | Sequence[str]] | None = None) -> Reply:
    """Send a request as it stands, with whatever headers; Host is right unless given (`[]`: none)."""
    sent = {"Host": urlsplit(url).netloc, **(UPGRADE if endpoint.websocket else {}), **(headers or {})}
    lines = [
        f"{name}: {value}"
        for name, values in sent.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
    try:
        writer.write("\r\n".join([f"{endpoint.method} {endpoint.target} HTTP/1.1", *lines, "", ""]).encode("latin-1"))
        async with asyncio.timeout(10):
            head, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip("\r\n").split("\r\n")
            fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in rest)]
            length = dict(fields).get("content-length", "0")
            return Reply(endpoint, int(head.split()[1]), fields, await reader.readexactly(int(length)))
    finally:
        writer.close()


def assert_refused(reply: Reply, status: int) -> None:
    """A problem, with all headers, and nothing of the app."""
    assert reply.status == status
    assert reply.all("content-type") == ["application/problem+json"]
    assert json.loads(reply.body)["status"] == status
    for name, value in SECURITY_HEADERS:
        assert reply.all(name.decode()) == [value.decode()]


# Host


OUR_HOSTS: Final = [
    "127.0.0.1", "127.0.0.1:9", "EXAMPLE.com:1", "a.example.net", "b.a.Example.NET:80", "[::1]", "[::1]:8000",
    "[0:0:0:0:0:0:0:1]",
]  # fmt: skip
OTHER_HOSTS: Final = [
    "evil.com", "localhost", "127.0.0.1.evil.com", "example.net", "evilexample.net", ".example.com", "127.0.0.1.",
    "[::2]", "127.1", "0x7f.1", "2130706433",
]  # fmt: skip
NO_HOSTS: Final = [
    "127.0.0.1@evil.com", "user:pw@127.0.0.1", "127.0.0.1:", "127.0.0.1:80x", "127.0.0.1:99999", "127.0.0.1:-1",
    "127.0.0.1:80:80", "::1", "[::1", "[::1%25eth0]", "[127.0.0.1]", "[::1]evil.com", "a b", "127.0.0.1/x", "", "*",
    "127.0.0.1, evil.com", "http://127.0.0.1", "x" * 254, "é.com",
]  # fmt: skip


async def test_a_host_must_be_one_that_is_allowed() -> None:
    async with guarded(hosts=["127.0.0.1", "Example.com", "*.example.net", "::1"]) as url:
        for endpoint in ENDPOINTS:
            for host in OUR_HOSTS:
                assert (await ask(url, endpoint, {"Host": host})).inside, host
            for host in OTHER_HOSTS:
                assert_refused(await ask(url, endpoint, {"Host": host}), 421)


async def test_a_malformed_host_is_refused_even_where_any_is_allowed() -> None:
    async with guarded(hosts=["*"]) as url:
        for endpoint in ENDPOINTS:
            assert (await ask(url, endpoint, {"Host": "whatever.example:1"})).inside
            for host in NO_HOSTS:
                assert_refused(await ask(url, endpoint, {"Host": host}), 400)
            assert_refused(await ask(url, endpoint, {"Host": ["127.0.0.1", "127.0.0.1"]}), 400)


async def test_a_missing_host_is_refused() -> None:
    async with guarded(hosts=["*"]) as url:
        assert_refused(await ask(url, Endpoint("GET", "/healthz"), {"Host": []}), 400)


@pytest.mark.parametrize("pattern", ["a:80", "http://a", "*a.com", "a.*", "**", "", "*.", "[::1]:80", "é.com", "a/b"])
def test_a_pattern_that_no_host_matches_is_refused_at_the_start(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"host|permitted|address"):
        AllowedHosts([pattern])


# Origin


OTHER_ORIGINS: Final = [
    "null", "", "*", "http://127.0.0.1", "http://127.0.0.1.evil.com", "https://127.0.0.1:PORT", "http://localhost:PORT",
    "ws://127.0.0.1:PORT", "http://127.0.0.1:PORT/", "http://127.0.0.1:PORT/path", "http://127.0.0.1:PORT?x",
    "http://127.0.0.1:PORT#x", "http://u@127.0.0.1:PORT", "http://127.0.0.1.:PORT", f"http://127.0.0.1:PORT {PAGE}",
    "http://127.0.0.1:PORT0", "//127.0.0.1:PORT", "file://", "app.example.com", "http://app.example.com", f"{PAGE}/",
    f"{PAGE}.evil.com", f"{PAGE}:444", f"{PAGE}:", f"{PAGE},{PAGE}", f"{PAGE}@evil.com", f"https://evil.com#{PAGE}",
    f"\xa0{PAGE}",
]  # fmt: skip


async def test_an_origin_must_be_our_own_or_allowed() -> None:
    async with guarded(hosts=["127.0.0.1", "localhost"], origins=[PAGE]) as url:
        for endpoint in ENDPOINTS:
            for origin in (url, url.upper(), PAGE, f"{PAGE}:443", "HTTPS://App.Example.COM"):
                assert (await ask(url, endpoint, {"Origin": origin})).inside, origin
            for origin in OTHER_ORIGINS:
                written = origin.replace("PORT", str(urlsplit(url).port))
                assert_refused(await ask(url, endpoint, {"Origin": written}), 403)
            twice = await ask(url, endpoint, {"Origin": [url, PAGE]})
            assert twice.status == (400 if endpoint.websocket else 403)  # the websockets library refuses two itself


@one_of_each
async def test_default_ports_are_normalised(endpoint: Endpoint) -> None:
    async with guarded(hosts=["example.com"]) as url:
        for host in ("example.com", "example.com:80"):
            for origin in ("http://example.com", "http://example.com:80"):
                assert (await ask(url, endpoint, {"Host": host, "Origin": origin})).inside
            for origin in ("https://example.com", "http://example.com:443", "http://example.com:8080"):
                assert_refused(await ask(url, endpoint, {"Host": host, "Origin": origin}), 403)


@one_of_each
async def test_behind_a_tls_proxy_the_scheme_is_the_pages(endpoint: Endpoint) -> None:
    async with guarded(hosts=["example.com"]) as url:  # uvicorn trusts a proxy on 127.0.0.1
        proxied = {"Host": "example.com", "X-Forwarded-Proto": "https"}
        assert (await ask(url, endpoint, {**proxied, "Origin": "https://example.com"})).inside
        assert_refused(await ask(url, endpoint, {**proxied, "Origin": "http://example.com"}), 403)


async def test_a_handshake_is_refused_where_the_server_has_no_denial_responses() -> None:
    app = secured(bare_app(new_service()), Settings())
    shell = FastAPI()

    async def without_extensions(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "extensions": {}}, receive, send)

    shell.mount("/", without_extensions)
    async with serving_app(shell) as url:
        assert (await ask(url, Endpoint("GET", "/ws/ended", True), {"Origin": "null"})).status == 403


@pytest.mark.parametrize("origin", ["*", "null", "app.example.com", f"{PAGE}/", f"{PAGE}/x", "https://*.example.com"])
def test_an_origin_that_no_page_has_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(ValueError, match="isn't"):
        Settings(allowed_origins=(origin,))


# CORS


def preflight(origin: str, method: str = "GET", headers: str = "last-event-id") -> dict[str, str]:
    return {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}


async def refuse(_: HTTPConnection) -> None:
    raise Unauthenticated("nobody")


async def test_preflights_of_allowed_origins_need_no_authorization() -> None:
    async with guarded(origins=[PAGE], authorize=refuse) as url:
        for target in sorted({endpoint.target for endpoint in ENDPOINTS}):
            asked = Endpoint("OPTIONS", target)
            for method in ("GET", "POST", "DELETE"):
                reply = await ask(url, asked, preflight(PAGE, method, "authorization, content-type, last-event-id"))
                assert reply.status == 200
                assert reply.all("access-control-allow-origin") == [PAGE]
                assert reply.all("access-control-allow-credentials") == ["true"]
                assert method in reply.all("access-control-allow-methods")[0]
            for wrong in (preflight(PAGE, "PUT"), preflight(PAGE, headers="x-other")):
                assert (await ask(url, asked, wrong)).status == 400
            assert_refused(await ask(url, asked, preflight("https://evil.com")), 403)
            assert_refused(await ask(url, asked, {**preflight(PAGE), "Host": "evil.com"}), 421)
            assert_refused(await ask(url, asked, {"Origin": PAGE}), 401)  # an OPTIONS, but no preflight


async def test_allowed_origins_may_read_answers_and_errors() -> None:
    async def only_with_cookie(connection: HTTPConnection) -> None:
        match connection.cookies.get("as"):
            case "user":
                return
            case "crash":
                raise RuntimeError("hunter2")
            case _:
                raise Unauthenticated("who are you?")

    async with guarded(origins=[PAGE, "https://b.example"], authorize=only_with_cookie) as url:
        for endpoint in REQUESTS:
            for extra in ({"Cookie": "as=user"}, {}, {"Cookie": "as=crash"}, {"Host": "evil.com"}):
                reply = await ask(url, endpoint, {"Origin": PAGE, **extra})
                assert reply.all("access-control-allow-origin") == [PAGE]
                assert reply.all("access-control-allow-credentials") == ["true"]
                assert reply.all("access-control-expose-headers") == ["Location, Retry-After"]
                assert "Origin" in reply.all("vary")[0]
            for origin in ("https://evil.com", "null", url):
                reply = await ask(url, endpoint, {"Origin": origin, "Cookie": "as=user"})
                assert reply.all("access-control-allow-origin") == []


async def test_cors_is_off_by_default() -> None:
    async with guarded() as url:
        reply = await ask(url, Endpoint("OPTIONS", "/start"), preflight(PAGE))
        assert_refused(reply, 403)
        for origin in (url, PAGE):
            reply = await ask(url, Endpoint("GET", "/healthz"), {"Origin": origin})
            assert [name for name, _ in reply.headers if name.startswith("access-control-")] == []


# Headers


async def test_every_response_has_the_headers_once() -> None:
    async with guarded(origins=[PAGE]) as url:
        for endpoint in REQUESTS:
            for headers in ({}, {"Origin": PAGE}):
                reply = await ask(url, endpoint, headers)
                assert reply.inside
                for name, value in SECURITY_HEADERS:
                    assert reply.all(name.decode()) == [value.decode()]


async def test_a_response_keeps_its_own_headers_and_its_stream() -> None:
    app = FastAPI()
    policy = {"Content-Security-Policy": "default-src 'self'", "Cache-Control": "max-age=60"}

    @app.get("/page")
    async def page() -> HTMLResponse:
        return HTMLResponse("<p>demo", headers=policy)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            for n in range(100):
                yield b"%d\n" % n

        return StreamingResponse(chunks())

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("hunter2")

    # The door twice, as where an app that has one is mounted in another: nothing is doubled.
    app.add_middleware(Security, settings=Settings())
    outer = FastAPI()
    outer.mount("/in", app)
    outer.add_middleware(Security, settings=Settings())
    async with serving_app(outer) as url, httpx.AsyncClient(base_url=url, trust_env=False) as http:
        response = await http.get("/in/page")
        assert response.headers.get_list("content-security-policy") == [policy["Content-Security-Policy"]]
        assert response.headers.get_list("cache-control") == [policy["Cache-Control"]]
        assert response.headers.get_list("x-content-type-options") == ["nosniff"]
        assert (await http.get("/in/stream")).text.split() == [str(n) for n in range(100)]
        assert_refused(await ask(url, Endpoint("GET", "/in/broken")), 500)
        assert "hunter2" not in (await http.get("/in/broken")).text


async def test_streams_pass_through_message_by_message() -> None:
    """What the app sends after the first message arrives as the very same objects."""
    body: list[Message] = [{"type": "http.response.body", "body": b"%d" % n, "more_body": n < 9} for n in range(10)]

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        for message in body:
            await send(message)

    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "headers": [(b"host", b"localhost"), (b"origin", b"http://localhost")],
    }
    await secured(app, Settings())(scope, receive, send)
    assert all(message is original for message, original in zip(sent[1:], body, strict=True))


async def test_lifespan_passes() -> None:
    seen: list[str] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        seen.append(scope["type"])

    async def nothing(_: Message | None = None) -> Message:
        raise AssertionError

    async def nowhere(_: Message) -> None:
        raise AssertionError

    await secured(app, Settings(), refuse)({"type": "lifespan"}, nothing, nowhere)
    assert seen == ["lifespan"]


# The hook


async def closed_with(url: str, endpoint: Endpoint) -> ConnectionClosed:
    address = f"{url.replace('http', 'ws', 1)}{endpoint.target}"
    async with connect(address, proxy=None, compression=None) as connection:
        with pytest.raises(ConnectionClosed) as caught:
            await connection.recv()
    return caught.value


REFUSALS: Final[list[tuple[Unauthenticated | Forbidden, int, int]]] = [
    (Unauthenticated("who are you?"), 401, WS_UNAUTHENTICATED),
    (Forbidden("not you: " + "ü" * 200 + "\ud800"), 403, WS_FORBIDDEN),  # too long for a close frame, and no UTF-8
]


async def test_the_hook_sees_every_endpoint_before_the_app_does() -> None:
    reached: list[str] = []
    seen: list[tuple[str, str]] = []
    answers: list[Unauthenticated | Forbidden] = []

    async def hook(connection: HTTPConnection) -> None:
        seen.append((connection.scope["type"], connection.scope["path"]))
        raise answers.pop()

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        reached.append(scope["path"])

    def door(_: ASGIApp) -> ASGIApp:
        return secured(app, Settings(), hook)

    shell = FastAPI()
    shell.add_middleware(door)
    async with serving_app(shell) as url:
        for endpoint in ENDPOINTS:
            for error, status, code in REFUSALS:
                answers.append(error)
                if endpoint.websocket:
                    closed = (await closed_with(url, endpoint)).rcvd
                    assert closed is not None
                    assert closed.code == code
                    assert str(error).startswith(closed.reason)
                else:
                    # An EventSource gives up at any status but 200, which is right here.
                    reply = await ask(url, endpoint, {"Accept": "text/event-stream"})
                    assert_refused(reply, status)
                    assert reply.all("www-authenticate") == (["Bearer"] if status == 401 else [])
                assert seen.pop() == ("websocket" if endpoint.websocket else "http", endpoint.target)
    assert reached == []
    assert seen == []


async def _raises(_: HTTPConnection) -> None:
    raise RuntimeError("hunter2")


async def _returns(_: HTTPConnection) -> bool:
    return False


def _is_not_async(_: HTTPConnection) -> None:
    return None


@pytest.mark.parametrize("hook", [_raises, _returns, _is_not_async])
async def test_a_hook_that_fails_lets_nobody_in(hook: Authorize) -> None:
    async with guarded(authorize=hook) as url:
        for endpoint in ENDPOINTS:
            reply = await ask(url, endpoint)
            assert reply.status == 500
            assert b"hunter2" not in reply.body
            if not endpoint.websocket:
                assert_refused(reply, 500)


@one_of_each
async def test_who_is_refused_by_host_or_origin_never_reaches_the_hook(endpoint: Endpoint) -> None:
    async def hook(_: HTTPConnection) -> None:
        raise AssertionError

    async with guarded(authorize=hook) as url:
        assert_refused(await ask(url, endpoint, {"Host": "evil.com"}), 421)
        assert_refused(await ask(url, endpoint, {"Origin": "null"}), 403)


# Bearer tokens


async def test_a_token_opens_every_endpoint() -> None:
    async with guarded(authorize=BearerToken(["other", TOKEN], cookie="token")) as url:
        for endpoint in ENDPOINTS:
            ways = [
                {"Authorization": f"Bearer {TOKEN}"},
                {"Authorization": f"bEARER   {TOKEN}"},
                {"Cookie": f"a=b; token={TOKEN}"},
            ]
            if endpoint.websocket:
                ways.append({"Sec-WebSocket-Protocol": f"streamlanes, bearer.{TOKEN}"})
            for way in ways:
                reply = await ask(url, endpoint, way)
                assert reply.inside, way
                assert TOKEN not in str(reply)


WRONG: Final[list[dict[str, str | list[str]]]] = [
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer "},
    {"Authorization": f"Basic {TOKEN}"},
    {"Authorization": TOKEN},
    {"Authorization": f"Bearer {TOKEN}x"},
    {"Authorization": f"Bearer {TOKEN[:-1]}"},
    {"Authorization": f"Bearer {TOKEN.lower()}"},
    {"Authorization": f"Bearer {TOKEN} x"},
    {"Authorization": f"Bearer {TOKEN},{TOKEN}"},
    {"Authorization": f'Bearer "{TOKEN}"'},
    {"Authorization": "Bearer \xe9\xff\x80"},
    {"Authorization": "Bearer " + "x" * 7_000},
    {"Authorization": [f"Bearer {TOKEN}", f"Bearer {TOKEN}"]},
    {"Authorization": "Bearer wrong", "Cookie": f"token={TOKEN}"},
    {"Cookie": "token="},
    {"Cookie": f"tokens={TOKEN}"},
    {"Cookie": 'token="\\377\\000"'},
    {"Cookie": f"token={TOKEN}; token=x"},
    {"Sec-WebSocket-Protocol": "bearer."},
    {"Sec-WebSocket-Protocol": "streamlanes, bearer.wrong"},
    {"Sec-WebSocket-Protocol": f"bearer.{TOKEN}, bearer.{TOKEN}"},
    {"Sec-WebSocket-Protocol": TOKEN},
    {"Sec-WebSocket-Protocol": "bearer.wrong", "Cookie": f"token={TOKEN}"},
]


@one_of_each
async def test_nothing_else_does(endpoint: Endpoint) -> None:
    async with guarded(authorize=BearerToken([TOKEN], cookie="token")) as url:
        for headers in WRONG:
            if not endpoint.websocket and "Sec-WebSocket-Protocol" in headers:
                continue
            reply = await ask(url, endpoint, headers)
            if endpoint.websocket:
                assert reply.status == 101, headers  # and then closed; see below
                assert TOKEN not in str(reply)
            else:
                assert_refused(reply, 401)
        target = f"{endpoint.target}?token={TOKEN}&access_token={TOKEN}&authorization=Bearer%20{TOKEN}"
        assert (await ask(url, Endpoint("GET", target))).status == 401


async def test_nothing_else_does_for_a_hook(caplog: pytest.LogCaptureFixture) -> None:
    authorize = BearerToken([TOKEN], cookie="token")
    caplog.set_level(logging.INFO)
    for headers in WRONG:
        raw = [
            (name.lower().encode(), value.encode("latin-1"))
            for name, values in headers.items()
            for value in ([values] if isinstance(values, str) else values)
        ]
        offered = [
            name.strip() for key, value in raw if key == b"sec-websocket-protocol" for name in value.decode().split(",")
        ]
        with pytest.raises(Unauthenticated) as refused:
            await authorize(HTTPConnection({"type": "websocket", "headers": raw, "subprotocols": offered}))
        assert TOKEN not in str(refused.value)
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(vars(authorize))


@pytest.mark.parametrize("tokens", [[], [""], ["a", ""], ["with space"], ["é"], ["a\n"], ["a=b"], "é"])
def test_tokens_that_cannot_be_sent_are_refused_at_the_start(tokens: list[str] | str) -> None:
    with pytest.raises(ValueError, match="at least one token"):
        BearerToken(tokens)


async def test_a_string_is_one_token_and_not_its_characters() -> None:
    authorize = BearerToken("abc")
    await authorize(HTTPConnection({"type": "http", "headers": [(b"authorization", b"Bearer abc")]}))
    with pytest.raises(Unauthenticated):
        await authorize(HTTPConnection({"type": "http", "headers": [(b"authorization", b"Bearer a")]}))


async def test_a_wrong_token_closes_a_websocket_with_our_subprotocol_selected() -> None:
    async with guarded(authorize=BearerToken([TOKEN])) as url:
        address = f"{url.replace('http', 'ws', 1)}/ws/ended"
        offered = [Subprotocol("bearer.wrong"), Subprotocol("streamlanes")]
        async with connect(address, proxy=None, subprotocols=offered) as connection:
            assert connection.subprotocol == "streamlanes"
            with pytest.raises(ConnectionClosed) as caught:
                await connection.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == WS_UNAUTHENTICATED


@pytest.mark.parametrize("lane", sorted(lane.name for lane in discover().values() if lane.wire == WEBSOCKET))
async def test_websocket_lanes_select_our_subprotocol_and_never_the_token(lane: str) -> None:
    async with guarded(authorize=BearerToken([TOKEN])) as url:
        offered = [Subprotocol(f"bearer.{TOKEN}"), Subprotocol("streamlanes")]
        async with connect(
            f"{url.replace('http', 'ws', 1)}/{lane}/ended", proxy=None, subprotocols=offered
        ) as connection:
            assert connection.subprotocol == "streamlanes"
            assert json.loads(await connection.recv())["control"] == "open"


@pytest.mark.parametrize(
    ("offered", "selected"),
    [([], None), (["bearer.x"], None), (["bearer.x", "streamlanes"], "streamlanes"), (["Streamlanes", "x"], None)],
)
def test_selected_subprotocol(offered: list[str], selected: str | None) -> None:
    assert (
        selected_subprotocol(HTTPConnection({"type": "websocket", "headers": [], "subprotocols": offered})) == selected
    )


# Mounted in somebody's app


async def test_mounted_in_another_app_the_door_is_the_mounts_own() -> None:
    service = new_service()
    inner = bare_app(service)
    inner.add_middleware(Security, settings=Settings(), authorize=BearerToken([TOKEN]))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service:
            yield

    outer = FastAPI(lifespan=lifespan)

    @outer.get("/mine")
    async def mine() -> str:
        return "mine"

    @outer.websocket("/mine")
    async def my_socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    outer.mount("/streams", inner)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    async with serving_app(outer) as url:
        foreign = {"Origin": "https://evil.com"}
        for endpoint in ENDPOINTS:
            mounted = endpoint._replace(target=f"/streams{endpoint.target}")
            assert_refused(await ask(url, mounted, foreign), 403)
            if not endpoint.websocket:
                assert_refused(await ask(url, mounted), 401)
        assert (await ask(url, Endpoint("GET", "/streams/healthz"), bearer)).status == 200
        assert (await ask(url, Endpoint("GET", "/streams/ws/ended", True), bearer)).status == 101
        assert (await ask(url, Endpoint("GET", "/mine"), foreign)).status == 200
        assert (await ask(url, Endpoint("GET", "/mine", True), foreign)).status == 101


async def test_a_browser_is_refused_before_the_handshake_and_python_sees_why() -> None:
    async with guarded() as url:
        address = f"{url.replace('http', 'ws', 1)}/ws/ended"
        with pytest.raises(InvalidStatus) as refused:
            await connect(address, proxy=None, additional_headers={"Origin": "https://evil.com"})
        assert refused.value.response.status_code == 403
        assert "evil.com" in json.loads(refused.value.response.body or b"")["detail"]


# Parsing

HOST_NAMES: Final = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{1,5}){0,2}\Z") | st.ip_addresses(
    v=4
).map(str)
ADDRESSES: Final = st.ip_addresses(v=6).map(lambda address: address.compressed)
PORTS: Final = st.none() | st.integers(0, 65535)
SCHEMES: Final = st.sampled_from(["http", "https"])
NEAR_MISSES: Final = st.lists(
    st.sampled_from(
        [*"htps:/@.[]#?\\%,&~ \t\r\n\x000", "http", "://", "localhost", ":80", "evil.com", "[::1]", "null", "é"]
    )
    | st.characters(),
    max_size=8,
).map("".join)


def write(host: str, port: int | None) -> str:
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if port is None else f"{bracketed}:{port}"


@given(HOST_NAMES | ADDRESSES, PORTS, st.booleans())
def test_any_host_is_read_as_it_was_written(host: str, port: int | None, upper: bool) -> None:
    text = write(host, port)
    assert Authority.parse(text.upper() if upper else text) == (host, port)


@given(SCHEMES, HOST_NAMES | ADDRESSES, PORTS)
def test_origins_survive_writing_and_equal_ones_are_equal(scheme: str, host: str, port: int | None) -> None:
    origin = Origin.parse(f"{scheme}://{write(host, port)}")
    default = {"http": 80, "https": 443}[scheme]
    assert origin == (scheme, host, default if port is None else port)
    assert Origin.parse(str(origin)) == origin
    assert not str(origin).endswith(f":{default}") or ":" in host


@given(NEAR_MISSES, NEAR_MISSES)
def test_whatever_is_read_as_an_origin_is_one_to_others_too(before: str, after: str) -> None:
    """No text that we take for an origin is understood as another host by the standard library's parser."""
    for text in (before + after, f"{before}http://localhost{after}", f"http://{before}localhost:80{after}"):
        try:
            origin = Origin.parse(text)
        except ValueError:
            continue
        parts = urlsplit(text)
        assert (parts.scheme, parts.path, parts.query, parts.fragment) == (origin.scheme, "", "", "")
        assert parts.username is None
        assert parts.port == origin.port or parts.port is None
        assert parts.hostname is not None
        assert Authority.parse(write(parts.hostname, None)).host == origin.host


@given(NEAR_MISSES, NEAR_MISSES)
def test_only_the_name_itself_is_an_allowed_host(before: str, after: str) -> None:
    hosts = AllowedHosts(["localhost", "*.example.com"])
    for text in (f"{before}localhost{after}", f"{before}.example.com{after}"):
        try:
            host = Authority.parse(text).host
        except ValueError:
            continue
        if host in hosts:
            assert host == "localhost" or (host.endswith(".example.com") and "@" not in text and "/" not in text)


# Producers' strings in SSE fields


def parse_sse(body: bytes) -> list[dict[str, str]]:
    """The standard's algorithm (HTML §9.2.6): CR, LF and CRLF all end a line, and nothing else does."""
    found: list[dict[str, str]] = []
    fields: dict[str, str] = {}
    for line in re.split("\r\n|\r|\n", body.decode()):
        if not line:
            if fields:
                found.append(fields)
            fields = {}
            continue
        name, _, value = line.partition(":")
        assert name in {"id", "event", "data"}, f"a field that nobody wrote: {line[:80]!r}"
        assert name not in fields, f"a field twice: {line[:80]!r}"
        fields[name] = value.removeprefix(" ")
    assert not fields
    return found


@pytest.mark.parametrize("lane", sorted(lane.name for lane in discover().values() if lane.wire == "sse"))
async def test_no_string_of_a_producer_gets_out_of_its_data_field(lane: str) -> None:
    async with guarded() as url, httpx.AsyncClient(base_url=url, timeout=10, trust_env=False) as http:
        session = (await http.post("/start", json={"producer": "awkward"})).json()["session_id"]
        body = (await http.get(f"/{lane}/{session}")).content
        log = (await http.get(f"/poll/{session}")).json()
    assert not re.search(rb"[\x00-\x09\x0b-\x1f]", body)  # LF is the only control character there is
    opened, *events, end = parse_sse(body)
    assert (opened["event"], end["event"]) == ("stream-open", "stream-end")
    assert log["done"] is True
    assert [(event["id"], event.get("event", "message"), json.loads(event["data"])) for event in events] == [
        (event["id"], event.get("type", "message"), event["data"]) for event in log["events"]
    ]
    assert [(event.get("event", "message"), json.loads(event["data"])) for event in events] == [
        (item.type, item.value) for item in AWKWARD
    ]
