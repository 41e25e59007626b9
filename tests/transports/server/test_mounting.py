"""`mount`: the lanes in an app that has a life of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from streamlanes.transports import StreamService, mount, ndjson, sse
from streamlanes.transports.door.authorization import BearerToken
from tests.serving import serving_app

pytestmark = pytest.mark.timeout(20)


async def test_links_lead_to_the_mount_that_started_the_stream() -> None:
    app = FastAPI()

    @app.get("/own/{stream}")
    async def sse_(stream: str) -> str:
        return stream

    app.router.routes[-1].name = "sse"  # type: ignore[attr-defined]  # a route's, whose name is a lane's by chance
    for path in ("/one", "/two"):
        mount(app, path, StreamService(), [sse.TRANSPORT])
    async with serving_app(app) as url, httpx.AsyncClient(base_url=url, headers={"Host": "localhost"}) as http:
        for path in ("/two", "/one"):
            started = await http.post(f"{path}/start", json={"producer": "tokens", "params": {"count": 1}})
            assert started.json()["links"] == {"sse": f"{path}/sse/{started.json()['session_id']}"}


async def test_it_runs_within_the_apps_own_life_and_adds_nothing_to_its_routes() -> None:
    order: list[tuple[str, bool]] = []
    service = StreamService()

    def note(what: str) -> None:
        try:
            service.check_running()
        except RuntimeError:
            order.append((what, False))
        else:
            order.append((what, True))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        note("begins")
        yield {"greeting": "hello"}
        note("ends")

    app = FastAPI(lifespan=lifespan)

    @app.get("/own")
    async def own(request: Request) -> str:
        note("serves")
        return str(request.state.greeting)

    mount(app, "/streams", service, [sse.TRANSPORT])
    mount(app, "/more", StreamService(), [ndjson.TRANSPORT])
    async with serving_app(app) as url, httpx.AsyncClient(base_url=url, headers={"Host": "localhost"}) as http:
        assert (await http.get("/own", headers={"Host": "anything.example"})).json() == "hello"
        assert (await http.get("/streams/healthz")).json()["lanes"] == {"sse": "sse"}
        assert (await http.get("/more/healthz")).json()["lanes"] == {"ndjson": "ndjson"}
        assert (await http.get("/openapi.json")).json()["paths"].keys() == {"/own"}
        started = await http.post("/streams/start", json={"producer": "ticker", "params": {"count": 1}})
        assert started.json()["links"].keys() == {"sse"}
        assert "stream-end" in (await http.get(started.json()["links"]["sse"])).text
    assert order == [("begins", False), ("serves", True), ("ends", False)]


async def test_it_runs_where_there_was_no_lifespan_and_authorizes() -> None:
    app = FastAPI()
    mount(app, "/streams", StreamService(), authorize=BearerToken(["s3cret"]))
    async with serving_app(app) as url, httpx.AsyncClient() as http:
        assert (await http.get(f"{url}/streams/healthz")).status_code == 401
        allowed = await http.get(f"{url}/streams/healthz", headers={"Authorization": "Bearer s3cret"})
        assert allowed.json()["status"] == "ok"


def test_lanes_that_cannot_be_leave_the_app_as_it_was() -> None:
    app = FastAPI()
    before = app.router.lifespan_context, list(app.routes)
    with pytest.raises(ValueError, match="taken"):
        mount(app, "/streams", StreamService(), [sse.TRANSPORT, sse.TRANSPORT])
    assert (app.router.lifespan_context, list(app.routes)) == before
