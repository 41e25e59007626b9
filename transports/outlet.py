"""How an app hands ready bytes to our own server, past the messages of ASGI; and whether it may.

The protocols in `server/` put themselves into `scope["extensions"]` under OUTLET. An app that has begun its response in
the ordinary way, or accepted its WebSocket, may then take the connection over: it writes bytes, is told of pauses, and
the call that began it may return, while the connection goes on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import CodeType, FrameType, FunctionType
from typing import Final, Protocol, cast

from starlette._exception_handler import wrap_app_handling_exceptions
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import Message, Receive, Scope, Send

OUTLET: Final = "streamlanes.outlet"
"""The extension of the ASGI scope; its value is an Outlet."""

DEFERRED: Final = "streamlanes.deferred"
"""A key of `http.response.start`: its headers are kept, and go out with the body that `answer` is given."""


class Owner(Protocol):
    """Who has taken a connection over, and is told what becomes of it. None of these may raise."""

    def paused(self) -> None:
        """More is waiting to be sent than should be; what is written now waits as well."""
        ...

    def resumed(self) -> None:
        """It has been sent."""
        ...

    def received(self, message: Mapping[str, object]) -> bool:
        """A WebSocket's client has sent a message (`websocket.receive`); no more is wanted on a pause where False."""
        ...

    def lost(self) -> None:
        """The connection is closed, or being closed: nothing may be written any more. Comes once, unless `end` did."""
        ...


class Outlet(Protocol):
    """A connection of our own server."""

    @property
    def sender(self) -> object:
        """Whose methods `receive` and `send` are, for the app that is running."""
        ...

    @property
    def free(self) -> bool:
        """Whether it can be taken over: the request is there, its client too, and nothing waits to be sent."""
        ...

    def take(self, owner: Owner) -> Callable[[bytes], None] | None:
        """Give it to *owner*, and return what writes bytes that are packed as the connection needs them.

        The app's call may return from then on without its being the end. None: it isn't free, or not in the state for
        it, which is a response that has begun without a length or is deferred, or an accepted WebSocket without
        compression.
        """
        ...

    def end(self, code: int) -> None:
        """End it in order: a response with its last chunk, a WebSocket with *code*. The owner isn't told."""
        ...

    def abort(self) -> None:
        """End it at once, and throw away what hasn't been sent."""
        ...


class ResponseOutlet(Outlet, Protocol):
    """A connection of our own server that is answered: of HTTP, and no WebSocket's."""

    def answer(self, body: bytes, *, status: int = 200, media_type: str | None = None) -> None:
        """Send a deferred response with all of its body, and so end it. The owner isn't told.

        *media_type* stands in for the one that was deferred.
        """
        ...


class Passing(Protocol):
    """A `send` that has nothing to do with what follows a response's first message or a WebSocket's acceptance."""

    passes_to: Send

    async def __call__(self, message: Message) -> None:
        """Send, as ASGI's."""
        ...


def lent(scope: Scope, receive: Receive, send: Send) -> Outlet | None:
    """Return the connection, if its server is ours and nobody in between has wrapped what an app receives and sends."""
    outlet = outlet_of(scope)
    if outlet is None or not (_method_of(outlet.sender, receive) and _method_of(outlet.sender, innermost(send))):
        return None
    return outlet if outlet.free else None


def steppable(send: Send) -> Send | None:
    """Return what *send* comes down to, if that is one of uvicorn's, which never ask in which task they are."""
    inner = innermost(send)
    classes = type(getattr(inner, "__self__", None)).__mro__
    return inner if any(one.__module__ in _STEPPABLE for one in classes) else None


def wrapper(scope: Scope, send: Send) -> str | None:
    """Return the name of what keeps an app from its server's connection, by wrapping *send*."""
    outlet, inner = outlet_of(scope), innermost(send)
    if outlet is None or _method_of(outlet.sender, inner):
        return None
    named = inner if hasattr(inner, "__qualname__") else type(inner)
    return f"{named.__module__}.{named.__qualname__}"


def outlet_of(scope: Scope) -> Outlet | None:
    """Return the connection that *scope* is of, if its server is ours."""
    return cast("Outlet | None", (scope.get("extensions") or {}).get(OUTLET))


def _method_of(owner: object, function: object) -> bool:
    return getattr(function, "__self__", None) is owner


def innermost(send: Send) -> Send:
    """Return what *send* comes down to, once wrappers have been taken off that only look at a response's beginning.

    Ours say so themselves (see Passing); Starlette's, which only note that it has begun, are known by their code.
    """
    while True:
        inner = getattr(send, "passes_to", None)
        if inner is None:
            if not isinstance(send, FunctionType) or send.__code__ not in _STARLETTES or send.__closure__ is None:
                return send
            inner = send.__closure__[send.__code__.co_freevars.index("send")].cell_contents
        send = cast("Send", inner)


def _nested(function: object, name: str) -> list[CodeType]:
    """Return the code of the functions called *name* that are defined in *function*, however deep."""
    found, left = [], [function.__code__] if isinstance(function, FunctionType) else []
    while left:
        for constant in left.pop().co_consts:
            if isinstance(constant, CodeType):
                left.append(constant)
                if constant.co_name == name and "send" in constant.co_freevars:
                    found.append(constant)
    return found


_STARLETTES: Final = frozenset(
    [*_nested(ServerErrorMiddleware.__call__, "_send"), *_nested(wrap_app_handling_exceptions, "sender")]
)


def is_waited_for(scope: Scope) -> bool:
    """Tell whether somebody between the caller's caller and the server may have to do something at the end.

    A middleware that times its app or holds something for it, and dependencies with `yield`, are to see it.
    """
    # Of FastAPI's stacks, where one is known to be empty.
    if any(getattr(scope[name], "_exit_callbacks", True) for name in _STACKS if name in scope):
        return True
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 (CPython's, as `inspect` has it)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if frame.f_code.co_name == "run_asgi" and module in _SERVERS:
            return False
        known = module in _KNOWN or module.startswith("streamlanes.transports.")
        if not known and (module, frame.f_code.co_qualname) not in _KNOWN_METHODS:
            return True
        frame = frame.f_back
    return True


_STACKS: Final = ("fastapi_inner_astack", "fastapi_function_astack", "fastapi_middleware_astack")


_STEPPABLE: Final = frozenset(
    {
        "uvicorn.protocols.http.h11_impl",
        "uvicorn.protocols.http.httptools_impl",
        "uvicorn.protocols.websockets.websockets_sansio_impl",
    }
)
_SERVERS: Final = frozenset(
    {"uvicorn.protocols.http.httptools_impl", "streamlanes.transports.server.websocket_protocol"}
)
_KNOWN_METHODS: Final = frozenset({("fastapi.telemetry._asgi", "ExceptionTelemetryMiddleware.__call__")})
"""In a module that has a middleware, too, which times its app."""
_KNOWN: Final = frozenset(
    {
        "fastapi._body_limit",
        "fastapi.applications",
        "fastapi.middleware.asyncexitstack",
        "fastapi.routing",
        "starlette._exception_handler",
        "starlette.applications",
        "starlette.middleware.errors",
        "starlette.middleware.exceptions",
        "starlette.routing",
        "uvicorn.middleware.proxy_headers",
    }
)
