"""The page and its API over the stage. Whatever is refused is a problem (RFC 9457), as the server's are.

| call | what it does |
| --- | --- |
| `GET /`, `/assets/…`, `/streamlanes.js` | the page, its files, the browser client |
| `GET /api/stage` | lanes with their relays' addresses, the lanes to begin with, producers and what they take |
| `POST /api/runs` | start a stream; the links go through the relays |
| `DELETE /api/runs/{session_id}` | stop it |
| `PUT /api/network` | what the path to a lane's readers is like |
| `POST /api/faults` | cut or stall it |
| `POST /api/restart` | kill the server and start it again |
| `PUT /api/readers` | have so many readers beside the page's |
| `GET /api/telemetry` | the clock, what went through the relays, when events were due |

`Security` is in front of all of it: other sites' pages can't use it.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import httpx
from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from streamlanes.benchmarks.machine.processes import ProcessError
from streamlanes.demos.crowd import MAX_READERS, CrowdProcess
from streamlanes.demos.network import LaneNetwork
from streamlanes.demos.readers import LaneLink
from streamlanes.demos.stage import OFFERED, Stage, StagedLane
from streamlanes.producers.catalogue import PRODUCERS
from streamlanes.producers.events import JSON, Cursor
from streamlanes.transports.door.body import BodyLimit
from streamlanes.transports.door.security import Security
from streamlanes.transports.problems import BadParameter, ProblemRoute, from_http, problem
from streamlanes.transports.server.browser import browser_router
from streamlanes.transports.service.settings import Settings

PAGE: Final = Path(__file__).parent / "page"
ANSWER_SECONDS: Final = 10.0
"""Seconds that the server may take to answer."""

MAX_OFFSET: Final = 10**9
"""No stream here has as many events; a file system takes an offset into the journal of this size, and not of any."""

SessionId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Order(BaseModel):
    """Base of what the page may ask for."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class RunOrder(Order):
    """A stream to start; the server checks it."""

    producer: str
    params: dict[str, JsonValue] = Field(default_factory=dict)


class NetworkOrder(Order):
    """What a lane's path is to be like, or that of all; times in seconds, bytes per second."""

    lane: str | None
    delay: float = Field(0.0, ge=0, le=2)
    jitter: float = Field(0.0, ge=0, le=2)
    bandwidth: float | None = Field(None, ge=100, le=1e9)
    buffering: bool = False


class FaultOrder(Order):
    """What a lane's connections are to suffer now, or those of all."""

    lane: str | None
    fault: Literal["cut", "stall"]
    seconds: float = Field(5.0, gt=0, le=60)
    """Seconds of a stall."""


class ReadersOrder(Order):
    """How many readers there are to be beside the page's, evenly over *lanes*, straight from the server."""

    session_id: SessionId
    count: int = Field(ge=0, le=MAX_READERS)
    lanes: list[str] = Field(min_length=1, max_length=64)


def create_control(stage: Stage, crowd: CrowdProcess, http: httpx.AsyncClient, chosen: Sequence[str]) -> FastAPI:
    """Return the page's app: *http* reaches the stage's server, the page begins with the lanes *chosen*."""
    app = FastAPI(title="streamlanes demo", openapi_url=None, docs_url=None, redoc_url=None)
    settings = Settings(allowed_hosts=("127.0.0.1", "localhost"), allowed_origins=())
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(Security, settings=settings)
    app.include_router(_page(stage))
    app.include_router(browser_router())
    app.include_router(_network(stage))
    app.include_router(_runs(stage, crowd, http))
    app.include_router(_telemetry(stage, crowd, chosen, secrets.token_hex(8)))
    app.mount("/assets", StaticFiles(directory=PAGE))

    @app.exception_handler(HTTPException)
    async def not_found(_: Request, error: HTTPException) -> Response:
        return from_http(error)

    return app


def content_security_policy(lanes: Sequence[StagedLane]) -> str:
    """Return what the page may load and connect to: this server, and the relays of *lanes*."""
    relays = " ".join(f"http://127.0.0.1:{lane.relay.port} ws://127.0.0.1:{lane.relay.port}" for lane in lanes)
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"connect-src 'self' {relays}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _page(stage: Stage) -> APIRouter:
    router = APIRouter(route_class=ProblemRoute)

    @router.get("/")
    async def page() -> Response:
        policy = content_security_policy(stage.chosen(None))
        return FileResponse(PAGE / "index.html", headers={"Content-Security-Policy": policy})

    return router


def _network(stage: Stage) -> APIRouter:
    router = APIRouter(prefix="/api", route_class=ProblemRoute)

    @router.put("/network", status_code=204)
    async def network(order: NetworkOrder) -> None:
        for lane in _lanes(stage, order.lane):
            lane.shape(
                LaneNetwork(
                    delay=order.delay, jitter=order.jitter, bandwidth=order.bandwidth, buffering=order.buffering
                )
            )

    @router.post("/faults", status_code=204)
    async def faults(order: FaultOrder) -> None:
        for lane in _lanes(stage, order.lane):
            match order.fault:
                case "cut":
                    lane.cut()
                case "stall":
                    lane.stall(order.seconds)

    @router.post("/restart")
    async def restart() -> Response:
        try:
            return JSONResponse({"boot": await stage.restart()})
        except ProcessError as error:
            return problem(503, f"{error}; try once more")

    return router


def _runs(stage: Stage, crowd: CrowdProcess, http: httpx.AsyncClient) -> APIRouter:
    router = APIRouter(prefix="/api", route_class=ProblemRoute)

    async def ask(method: str, path: str, body: JSON = None) -> httpx.Response | None:
        """Return the server's answer; None: there is none."""
        # Not httpx's own: that raises for half a surrogate pair, which a page may send as well as any other text.
        content = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        url = f"{stage.server.url}{path}"
        try:
            return await http.request(method, url, content=content, headers=headers, timeout=ANSWER_SECONDS)
        except httpx.TransportError:
            return None

    @router.post("/runs")
    async def run(order: RunOrder) -> Response:
        body: dict[str, JSON] = {"producer": order.producer, "params": order.params}
        answer = await ask("POST", "/start", body)
        if answer is None or answer.status_code != 201:
            return _passed(answer)
        started = answer.json()
        links = {lane: stage.lanes[lane].through(link) for lane, link in started["links"].items()}
        epoch = Cursor.parse(started["cursor"]).epoch
        return JSONResponse({**started, "epoch": epoch, "links": links, "boot": stage.server.boot}, 201)

    @router.delete("/runs/{session_id}")
    async def stop(session_id: SessionId) -> Response:
        return _passed(await ask("DELETE", f"/sessions/{session_id}"))

    @router.put("/readers", status_code=204)
    async def readers(order: ReadersOrder) -> Response:
        lanes = [lane for name in order.lanes for lane in _lanes(stage, name, "lanes")]
        if order.count:
            session = await ask("GET", f"/sessions/{order.session_id}")
            if session is None or session.status_code != 200:
                return _passed(session)
        links = [LaneLink(f"{stage.server.url}/{lane.name}/{order.session_id}", lane.wire) for lane in lanes]
        try:
            await crowd.gather(links, order.count)
        except ProcessError as error:
            return problem(503, f"{error}; try once more, with fewer")
        return Response(status_code=204)

    return router


def _telemetry(stage: Stage, crowd: CrowdProcess, chosen: Sequence[str], demo: str) -> APIRouter:
    """Return what tells of *stage*; *demo* is in every answer, so that a page notices that it is another demo's."""
    router = APIRouter(prefix="/api", route_class=ProblemRoute)

    @router.get("/stage")
    async def whole() -> Response:
        return JSONResponse(
            {
                "demo": demo,
                "lanes": [{"name": lane.name, "wire": lane.wire, "url": lane.url} for lane in stage.chosen(None)],
                "chosen": list(chosen),
                "producers": {name: PRODUCERS[name].params.model_json_schema() for name in OFFERED},
                "boot": stage.server.boot,
            }
        )

    @router.get("/telemetry")
    async def telemetry(
        epoch: Annotated[str | None, Query(pattern=r"^[0-9a-z]{1,16}$")] = None,
        after: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
    ) -> Response:
        stamps = [] if epoch is None else stage.stamps(epoch, after)
        counts = crowd.counts
        return JSONResponse(
            {
                "demo": demo,
                "boot": stage.server.boot,
                "alive": stage.server.alive,
                "lanes": {lane.name: _figures(lane) for lane in stage.chosen(None)},
                "due": {"from": after + 1, "ms": [_ms(stamp.due) for stamp in stamps]},
                "readers": {"count": counts.count, "received": counts.received, "faults": counts.faults},
                "now_ms": _ms(time.monotonic_ns()),  # the last thing that is done
            }
        )

    return router


def _lanes(stage: Stage, name: str | None, field: str = "lane") -> Sequence[StagedLane]:
    """Raises BadParameter for a lane that isn't there."""
    try:
        return stage.chosen(name)
    except KeyError:
        known = ", ".join(stage.lanes)
        raise BadParameter(field, f"there is no lane {name!r}; there are {known}") from None


def _passed(answer: httpx.Response | None) -> Response:
    """Return the server's answer as the page's, problems too; a server that doesn't answer is one."""
    if answer is None:
        return problem(503, "the server is down; restart it", headers={"Retry-After": "1"})
    kept = {name: answer.headers[name] for name in ("Content-Type", "Retry-After") if name in answer.headers}
    return Response(answer.content, answer.status_code, headers=kept)


def _figures(lane: StagedLane) -> dict[str, JSON]:
    counts, network = lane.relay.counts, lane.network
    return {
        "up": counts.up,
        "down": counts.down,
        "connections": counts.accepted,
        "open": counts.open,
        "cut": counts.cut,
        "stalled": round(lane.stalled, 3),
        "network": {
            "delay": network.delay,
            "jitter": network.jitter,
            "bandwidth": network.bandwidth,
            "buffering": network.buffering,
        },
    }


def _ms(ns: int) -> float:
    return round(ns / 1e6, 3)
