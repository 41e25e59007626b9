"""The door: which requests get in at all, and what goes out with every response.

`Security` is a pure ASGI middleware for requests and WebSocket handshakes alike, in front of every route and lane. In
this order, before anything of the app runs:

1. **Host** must be one of `settings.allowed_hosts`, or a page whose name was pointed at this address could read as if
   it were ours (DNS rebinding). Missing, doubled or malformed: 400 (RFC 9112 §3.2); somebody else's: 421 (RFC 9110
   §15.5.20). `*` is any name, and so gives that protection up; `*.example.com` any name under it, not itself.
2. **Origin**, if there is one, must be the request's own or one of `settings.allowed_origins`; all else, `null`
   included, is 403 (RFC 6454; for WebSockets this is the only defence there is, see OWASP on cross-site WebSocket
   hijacking). Absent: not a page's script. A page can still embed a GET without Origin (`<img>`); the response headers
   below keep it from reading the answer, and no GET changes anything.
3. **CORS** (Fetch §3.2), where there are allowed origins: they may read, errors as well, and their preflights are
   answered.
4. **authorize**, the hook. On a WebSocket its refusal is told by close codes, 4401 and 4403, after accepting; those of
   1 and 2 refuse the handshake.

A hook that fails in any other way, or returns anything, lets nobody in: 500. Every response gets `SECURITY_HEADERS`
that it hasn't set itself, a 500 for an error of the app among them (which is raised on, for the server's log).

Behind a proxy that speaks TLS the server must know the scheme (uvicorn's `proxy_headers` and `forwarded_allow_ips`), or
the public origin has to be listed, for a page of the same origin to get in.

    app.add_middleware(Security, settings=settings, authorize=BearerToken([token]))     # a FastAPI app stays one
    mounted = secured(app, settings, authorize)                                         # any ASGI app

`create_app` does the former, so a mounted app brings its own door; who includes single routers adds it to their app.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from streamlanes.transports.door.authorization import Authorize, NotAllowed, selected_subprotocol
from streamlanes.transports.framing import close_reason
from streamlanes.transports.problems import problem
from streamlanes.transports.service.authority import AllowedHosts, Authority, Origin
from streamlanes.transports.service.settings import Settings

SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    # Holds for requests without CORS only (Fetch §3.7): what allowed origins fetch, they may read.
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
"""What every response gets, unless it has its own."""


_PAGE_SCHEMES: Final = {"ws": "http", "wss": "https"}
"""What the pages of a server that speaks this have in their origin."""


class Security:
    """The middleware. Costs a request about as much as parsing two headers, and a message one comparison."""

    def __init__(self, app: ASGIApp, *, settings: Settings, authorize: Authorize | None = None) -> None:
        self._app = app
        self._hosts = AllowedHosts(settings.allowed_hosts)
        self._origins = frozenset(Origin.parse(origin) for origin in settings.allowed_origins)
        # As if it could return anything: one who returns False means to refuse.
        self._authorize: Callable[[HTTPConnection], Awaitable[object]] | None = authorize
        self._cors = CORSMiddleware(
            app,
            allow_origins=[str(origin) for origin in self._origins],
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
            allow_credentials=True,
            expose_headers=["Location", "Retry-After"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        headers = connection.headers
        preflight = bool(self._origins) and _is_preflight(scope["method"], headers)
        respond = SecuredSend(send, self._cors if self._origins and not preflight else None, headers)

        try:
            answer: ASGIApp | None = self._refusal(connection)
            if answer is None and preflight:
                answer = self._cors.preflight_response(headers)
            if answer is None:
                answer = _told(await self._not_allowed(connection))
            await (answer or self._app)(scope, receive, respond)
        except Exception:
            # Here, since the app's own handler for errors of any kind is outside of its middleware.
            if not respond.started:
                await problem(500, "the server failed to answer; its log says why")(scope, receive, respond)
            raise

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = WebSocket(scope, receive, send)
        refusal = self._refusal(websocket)
        if refusal is not None:
            await websocket.receive()
            if "websocket.http.response" in (scope.get("extensions") or {}):

                async def respond(message: Message) -> None:
                    start = message["type"] == "websocket.http.response.start"
                    await send(with_security_headers(message) if start else message)

                await refusal(scope, receive, respond)
            else:
                await websocket.close()  # before it is accepted: the server answers 403
            return
        error = await self._not_allowed(websocket)
        if error is None:
            await self._app(scope, receive, send)
            return
        with suppress(WebSocketDisconnect):  # who has left needs no telling
            await websocket.accept(selected_subprotocol(websocket))
            await websocket.close(error.close_code, close_reason(_text(error)))

    def _refusal(self, connection: HTTPConnection) -> Response | None:
        hosts = connection.headers.getlist("host")
        try:
            [host] = [Authority.parse(text) for text in hosts]
        except ValueError:
            return problem(HTTPStatus.BAD_REQUEST, "one Host header is needed, of the form host or host:port")
        if host.host not in self._hosts:
            return problem(
                HTTPStatus.MISDIRECTED_REQUEST,
                f"this server doesn't go by the name {host.host}; its operator can add it to the allowed hosts",
            )
        origins = connection.headers.getlist("origin")
        if not origins:
            return None
        try:
            [origin] = [Origin.parse(text) for text in origins]
        except ValueError:
            return problem(HTTPStatus.FORBIDDEN, "the Origin header isn't that of one origin, or is null")
        scheme: str = connection.scope["scheme"]
        if origin == Origin.of(_PAGE_SCHEMES.get(scheme, scheme), host) or origin in self._origins:
            return None
        return problem(
            HTTPStatus.FORBIDDEN,
            f"pages of {origin} may not use this server; its operator can add it to the allowed origins",
        )

    async def _not_allowed(self, connection: HTTPConnection) -> NotAllowed | None:
        if self._authorize is None:
            return None
        try:
            verdict = await self._authorize(connection)
        except NotAllowed as error:
            return error
        if verdict is not None:
            raise TypeError(f"the authorize hook returned {verdict!r}; it has to return None, or raise NotAllowed")
        return None


class SecuredSend:
    """A `send` that has every response begin with the security headers, and with CORS' where there is *cors*."""

    __slots__ = ("_cors", "_headers", "passes_to", "started")

    def __init__(self, send: Send, cors: CORSMiddleware | None, headers: Headers) -> None:
        self.passes_to = send
        self._cors = cors
        self._headers = headers
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] != "http.response.start":
            await self.passes_to(message)
            return
        self.started = True
        if self._cors is None:
            await self.passes_to(with_security_headers(message))
        else:
            await self._cors.send(with_security_headers(message), self.passes_to, self._headers)


def secured(app: ASGIApp, settings: Settings, authorize: Authorize | None = None) -> ASGIApp:
    """Return *app* behind its door."""
    return Security(app, settings=settings, authorize=authorize)


def with_security_headers(start: Message) -> Message:
    """Return a response's first message with those of SECURITY_HEADERS that it lacks."""
    headers = list(start.get("headers", ()))
    present = {name.lower() for name, _ in headers}
    return {**start, "headers": [*headers, *(header for header in SECURITY_HEADERS if header[0] not in present)]}


def _is_preflight(method: str, headers: Headers) -> bool:
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def _told(error: NotAllowed | None) -> Response | None:
    return None if error is None else problem(error.status, _text(error), headers=error.headers)


def _text(error: NotAllowed) -> str:
    return str(error).encode(errors="replace").decode()  # a lone surrogate has no bytes
