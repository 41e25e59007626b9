"""The app: all lanes, and the routes that start and end sessions."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from streamlanes.producers.inbox import parse_json
from streamlanes.transports.door.admission import Admission
from streamlanes.transports.door.authorization import Authorize
from streamlanes.transports.door.body import BodyLimit
from streamlanes.transports.door.security import Security
from streamlanes.transports.parameters import SessionParameter, StreamParameter
from streamlanes.transports.problems import (
    BadParameter,
    ProblemRoute,
    answer,
    documented,
    field_errors,
    from_http,
    invalid,
    problem,
)
from streamlanes.transports.server.browser import browser_router
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.transport import LaneRouter, Transport, discover

ROUTES: Final = frozenset({"start", "send", "sessions", "healthz", "metrics", "openapi.json"})
"""What a lane can't be named."""

_LANE = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)


class StartRequest(BaseModel):
    """What to start."""

    model_config = ConfigDict(extra="forbid")

    producer: Annotated[str, Field(max_length=64)]
    params: dict[str, JsonValue] = Field(default_factory=dict)
    stop_when_unread: Annotated[float, Field(ge=0, le=86_400, strict=True)] | None = None
    """Seconds after which the producer is stopped once the last reader has left; without it, it goes on."""


class StartedSession(BaseModel):
    """A session, and where to read it."""

    session_id: str
    cursor: str
    links: dict[str, str]


class SessionState(BaseModel):
    """A session at a glance."""

    state: str
    """`running`, or the outcome."""
    producer: str | None
    """None once it was deleted."""
    oldest: str
    head: str
    bytes: int
    readers: int


class Health(BaseModel):
    """What the server is, and that it is."""

    status: str
    """`ok`, or `draining`: send no new clients here."""
    lanes: dict[str, str]
    """Each lane's wire."""
    sessions: int
    """Streams held, private and shared, running and ended."""


def create_app(
    service: StreamService | None = None,
    transports: Iterable[Transport] | None = None,
    *,
    authorize: Authorize | None = None,
) -> FastAPI:
    """Return an app that serves *service* (by default one with the built-in producers) over *transports* (all).

    *authorize* sees every request before the app does (see `transports.authorization`); without it, whoever knows a
    session's id may use it, and anybody may start one.

    The app's lifespan runs the service. Mounted in another app, that one's has to, since a mounted app's isn't run:
    `mounting.mount` sees to it.

    Raises ValueError for a lane whose name is taken or isn't a URL segment.
    """
    running = StreamService() if service is None else service
    lanes = list(discover().values() if transports is None else transports)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with running:
            yield

    # No /docs: those pages load scripts from elsewhere.
    app = FastAPI(
        title="streamlanes",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    own = {lane.name: lane.router(running) for lane in _checked(lanes)}
    ahead = {name: router.ahead for name, router in own.items() if isinstance(router, LaneRouter) and router.ahead}
    # The last one added is the first one met.
    app.add_middleware(Admission, service=running, wires={lane.name: lane.wire for lane in lanes}, ahead=ahead)
    app.add_middleware(BodyLimit, max_bytes=running.settings.max_body_bytes)
    app.add_middleware(Security, settings=running.settings, authorize=authorize)
    routers = [sessions_router(running, lanes), browser_router(), *own.values()]
    for router in routers:
        app.include_router(router)
    routes = [route for router in routers for route in router.routes]

    @app.exception_handler(HTTPException)
    async def not_found(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:  # Starlette names the methods of the first route of that path only
            matching = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
            methods = {method for route in matching for method in getattr(route, "methods", ())}
            error.headers = {"Allow": ", ".join(sorted(methods))}
        return from_http(error)

    @app.exception_handler(Exception)
    async def failed(_: Request, __: Exception) -> Response:
        return problem(500, "the server failed to answer; its log says why")

    return app


def _path(request: Request, lane: str, stream: str) -> str:
    """Return a stream's path on a lane of this app; `url_for` might find that of another one beside it."""
    root: str = request.scope.get("root_path", "")
    path: str = request.app.url_path_for(lane, stream=stream)
    return f"{root.rstrip('/')}{path}"


def sessions_router(service: StreamService, lanes: Iterable[Transport]) -> APIRouter:
    """Return the routes besides the lanes'."""
    wires: dict[str, str] = {lane.name: lane.wire for lane in lanes}
    router = APIRouter(route_class=ProblemRoute)

    @router.post(
        "/start",
        status_code=201,
        response_model=StartedSession,
        summary="Start a session",
        responses=documented(422, 429, 503),
        openapi_extra=_start_body(service),
    )
    async def start(request: Request, body: StartRequest) -> Response:
        if body.producer not in service.producers:
            known = ", ".join(sorted(service.producers))
            raise BadParameter("producer", f"there is no producer {body.producer!r}; there are {known}")
        try:
            session = await service.start(body.producer, body.params, stop_when_unread=body.stop_when_unread)
        except ValidationError as error:
            return invalid(field_errors(error, ["params"]))
        started = StartedSession(
            session_id=session.id,
            cursor=str(session.cursor),
            links={lane: _path(request, lane, session.id) for lane in wires},
        )
        return Response(
            started.model_dump_json(),
            status_code=201,
            media_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    @router.get("/sessions/{session_id}", summary="A stream's state", responses=documented(404, 422))
    async def state(session_id: StreamParameter) -> SessionState:
        info = await service.info(session_id)
        session = service.sessions.get(session_id)
        return SessionState(
            state=info.outcome or "running",
            producer=session.producer if session else None,
            oldest=str(info.oldest),
            head=str(info.head),
            bytes=info.bytes,
            readers=session.readers if session else 0,
        )

    @router.delete(
        "/sessions/{session_id}",
        status_code=204,
        response_class=Response,
        summary="Stop a session, and drop its events",
        responses=documented(404, 422),
    )
    async def delete(session_id: SessionParameter) -> Response:
        await service.delete(session_id)
        return Response(status_code=204)

    @router.post(
        "/send/{session_id}",
        status_code=202,
        response_class=Response,
        summary="Send a message to a session's producer",
        responses={202: answer("It is in the producer's inbox."), **documented(404, 409, 422, 429)},
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}},
    )
    async def send(session_id: SessionParameter, request: Request) -> Response:
        service.send(session_id, parse_json(await request.body(), service.settings.max_message_bytes))
        return Response(status_code=202)

    @router.get(
        "/metrics",
        response_class=Response,
        summary="Counts, for Prometheus",
        responses={200: answer("Prometheus' text format.", CONTENT_TYPE_LATEST.partition(";")[0]), **documented()},
    )
    async def metrics() -> Response:
        return Response(
            service.metrics.exposition(), media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"}
        )

    @router.get("/healthz", summary="Whether it is up, or going away", responses=documented())
    async def healthz() -> Health:
        service.check_running()
        return Health(status="draining" if service.draining else "ok", lanes=wires, sessions=len(service.sessions))

    return router


def _start_body(service: StreamService) -> dict[str, Any]:
    """Return what the OpenAPI document says of the body of `/start`: which producers there are, and what they take."""
    # Where `oneOf` is; references within a schema are from the document's root, which doesn't know it.
    here = "#/paths/~1start/post/requestBody/content/application~1json/schema/oneOf"
    kinds = [
        {
            "properties": {
                "producer": {"const": name},
                "params": kind.params.model_json_schema(
                    ref_template=f"{here}/{number}/properties/params/$defs/{{model}}"
                ),
            }
        }
        for number, (name, kind) in enumerate(service.producers.items())
    ]
    return {"requestBody": {"content": {"application/json": {"schema": {"oneOf": kinds}}}}}


def _checked(lanes: Iterable[Transport]) -> list[Transport]:
    checked: dict[str, Transport] = {}
    for lane in lanes:
        if not _LANE.fullmatch(lane.name) or lane.name in ROUTES or lane.name in checked:
            raise ValueError(f"a lane can't be named {lane.name!r}: it is taken, or isn't a-z, 0-9 and -")
        checked[lane.name] = lane
    return list(checked.values())
