"""The routes as any HTTP client sees them, a browser's EventSource among them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from streamlanes import clients
from streamlanes.contract.serving import serving
from streamlanes.contract.sources import Fed, sources
from streamlanes.producers.events import Item
from streamlanes.transports.poll import LongPollLane
from streamlanes.transports.server.app import create_app
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.service.sessions import SharedStream
from streamlanes.transports.service.settings import Settings
from tests.serving import serving_app

EVENT_SOURCE = {"Accept": "text/event-stream", "Cache-Control": "no-cache"}  # what Chromium sends


@pytest.fixture
def fed() -> Fed:
    return Fed()


@pytest.fixture
async def service(fed: Fed) -> StreamService:
    return StreamService(
        producers=sources(fed),
        shared=[SharedStream(name="ended", producer="ticker", params={"count": 5, "arrivals": "at-once", "size": 32})],
        settings=Settings(retain_events=100),
    )


@pytest.fixture
async def http(service: StreamService) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(service) as url, httpx.AsyncClient(base_url=url, timeout=10, trust_env=False) as client:
        yield client


async def start(http: httpx.AsyncClient, producer: str, **params: object) -> str:
    response = await http.post("/start", json={"producer": producer, "params": params})
    assert response.status_code == 201
    return str(response.json()["session_id"])


def events(text: str) -> list[dict[str, str]]:
    return [
        dict(line.split(": ", 1) for line in block.split("\n")) for block in text.removesuffix("\n\n").split("\n\n")
    ]


async def epoch_of(http: httpx.AsyncClient, stream: str) -> str:
    return str((await http.get(f"/poll/{stream}?wait=0")).json()["cursor"]).split(":")[0]


async def test_start_answers_with_id_cursor_and_links(http: httpx.AsyncClient) -> None:
    response = await http.post("/start", json={"producer": "tokens"})
    assert response.status_code == 201
    body = response.json()
    assert body["cursor"].endswith(":0")
    identity = body["session_id"]
    assert {lane: body["links"][lane] for lane in ("sse", "ws", "poll", "ndjson")} == {
        lane: f"/{lane}/{identity}" for lane in ("sse", "ws", "poll", "ndjson")
    }
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"producer": "nothing"}, "producer"),
        ({"producer": 3}, "producer"),
        ({}, "producer"),
        ({"producer": "tokens", "extra": 1}, "extra"),
        ({"producer": "tokens", "params": {"rate": 0}}, "params.rate"),
        ({"producer": "tokens", "params": {"file": "/etc/passwd"}}, "params.file"),
        ({"producer": "tokens", "params": []}, "params"),
        ([], "body"),
    ],
)
async def test_a_bad_start_is_a_problem_that_names_the_field(http: httpx.AsyncClient, body: object, field: str) -> None:
    response = await http.post("/start", json=body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["status"], problem["title"], problem["type"]) == (422, "Unprocessable Entity", "about:blank")
    assert problem["errors"][0]["field"] == field
    assert field in problem["detail"]


@pytest.mark.parametrize("body", [b'{"producer": "tok', b'{"producer":"\xff"}', b"[" * 100_000, b"9" * 5000])
async def test_a_body_that_is_not_json_is_a_problem(http: httpx.AsyncClient, body: bytes) -> None:
    response = await http.post("/start", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "body"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/sse/nothing", 404), ("/poll/nothing", 404), ("/ndjson/nothing", 404), ("/sessions/nothing", 404),
        ("/nothing", 404), ("/start", 405), ("/sse/ended?after=x", 422), ("/poll/ended?wait=61", 422),
        ("/poll/ended?wait=nan", 422), ("/poll/ended?limit=0", 422), ("/poll/ended?limit=1001", 422),
        ("/ndjson/ended?after=", 422), ("/sse/ended?after=other:1", 410), ("/ndjson/ended?after=other:1", 410),
    ],
)  # fmt: skip
async def test_errors_before_the_first_byte_are_problems(http: httpx.AsyncClient, path: str, status: int) -> None:
    response = await http.get(path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["status"] == status


async def test_a_body_that_is_wrong_all_over_gets_a_short_answer(http: httpx.AsyncClient) -> None:
    response = await http.post("/start", json={"producer": "tokens"} | {f"{n}" * 300: 1 for n in range(1000)})
    assert response.status_code == 422
    assert len(response.content) < 20_000


async def test_a_wrong_method_is_told_the_right_one(http: httpx.AsyncClient) -> None:
    response = await http.put("/sse/ended")
    assert (response.status_code, response.headers["allow"]) == (405, "GET")
    several = await http.post("/sessions/nothing")
    assert (several.status_code, several.headers["allow"]) == (405, "DELETE, GET")


async def test_a_body_without_its_content_type_is_told_what_to_send(http: httpx.AsyncClient) -> None:
    response = await http.post("/start", content=b'{"producer":"tokens"}')
    assert response.status_code == 422
    assert "Content-Type: application/json" in response.json()["detail"]


async def test_an_app_whose_service_does_not_run_is_not_healthy() -> None:
    outer = FastAPI()
    outer.mount("/streams", create_app(StreamService()))
    async with serving_app(outer) as url, httpx.AsyncClient(base_url=url, trust_env=False) as http:
        assert (await http.get("/streams/healthz")).status_code == 503


async def test_a_mounted_app_works_and_links_to_where_it_is() -> None:
    service = StreamService()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service:
            yield

    outer = FastAPI(lifespan=lifespan)
    outer.mount("/streams", create_app(service))
    async with serving_app(outer) as url:
        started = await clients.start(f"{url}/streams", "ticker", {"count": 3, "rate": 1000})
        async with clients.SSEClient().connect(started.links["sse"]) as stream:
            assert [event.offset async for event in stream] == [1, 2, 3]


async def test_an_expired_cursor_is_told_with_where_to_go_on(http: httpx.AsyncClient, fed: Fed) -> None:
    stream = await start(http, "fed")
    for n in range(150):
        fed.queue.put_nowait(n)
    fed.queue.put_nowait(None)
    cursor = f"{await epoch_of(http, stream)}:0"
    while not (poll := (await http.get(f"/poll/{stream}")).json())["done"]:
        cursor = poll["events"][0]["id"] if poll["events"] else cursor
    epoch = cursor.split(":")[0]
    response = await http.get(f"/sse/{stream}?after={epoch}:10")
    assert response.status_code == 410
    problem = response.json()
    assert (problem["oldest"], problem["head"], problem["missing"]) == (f"{epoch}:50", f"{epoch}:150", 40)


async def test_session_state_and_deletion(http: httpx.AsyncClient) -> None:
    stream = await start(http, "silent")
    state = (await http.get(f"/sessions/{stream}")).json()
    assert (state["state"], state["producer"], state["readers"]) == ("running", "silent", 0)
    assert (await http.delete(f"/sessions/{stream}")).status_code == 204
    assert (await http.get(f"/sessions/{stream}")).json()["state"] == "deleted"
    assert (await http.delete(f"/sessions/{stream}")).status_code == 404
    assert (await http.delete("/sessions/ended")).status_code == 404


async def test_health_tells_the_lanes_wires(http: httpx.AsyncClient) -> None:
    health = (await http.get("/healthz")).json()
    assert health["status"] == "ok"
    wires = {"sse": "sse", "ws": "websocket", "poll": "long-poll", "ndjson": "ndjson"}
    assert {lane: health["lanes"][lane] for lane in wires} == wires


@pytest.mark.parametrize("lane", ["sse", "ndjson"])
async def test_streams_are_neither_stored_nor_buffered(http: httpx.AsyncClient, lane: str) -> None:
    response = await http.get(f"/{lane}/ended")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"


# The textbook's faults


async def test_a_poll_brings_all_that_is_pending(http: httpx.AsyncClient) -> None:
    body = (await http.get("/poll/ended")).json()
    assert [event["data"]["n"] for event in body["events"]] == [1, 2, 3, 4, 5]


async def test_a_poll_never_waits_for_a_stream_that_has_ended(http: httpx.AsyncClient) -> None:
    body = (await http.get("/poll/ended?wait=60")).json()  # the client's time-out is 10 s
    assert body["done"] is True
    assert body["outcome"] == "completed"
    assert (await http.get(f"/poll/ended?wait=60&after={body['cursor']}")).json()["done"] is True


async def test_a_waiting_poll_learns_of_the_end_at_once(http: httpx.AsyncClient, fed: Fed) -> None:
    stream = await start(http, "fed")
    async with asyncio.TaskGroup() as tasks:
        poll = tasks.create_task(http.get(f"/poll/{stream}?wait=60"))
        fed.queue.put_nowait(None)
    assert poll.result().json()["done"] is True


async def test_a_lost_response_loses_nothing(http: httpx.AsyncClient) -> None:
    first, second = await asyncio.gather(http.get("/poll/ended?limit=3"), http.get("/poll/ended?limit=3"))
    assert first.json() == second.json()
    rest = (await http.get(f"/poll/ended?after={first.json()['cursor']}")).json()
    assert [event["data"]["n"] for event in rest["events"]] == [4, 5]


async def test_a_waiting_poll_that_falls_off_the_tail_is_told(http: httpx.AsyncClient, service: StreamService) -> None:
    stream = await start(http, "silent")
    cursor = (await http.get(f"/poll/{stream}?after=now&wait=0")).json()["cursor"]
    epoch = cursor.split(":")[0]
    async with asyncio.TaskGroup() as tasks:
        told = tasks.create_task(http.get(f"/poll/{stream}?after={epoch}:3&wait=30"))
        anew = tasks.create_task(http.get(f"/poll/{stream}?after=now&wait=30"))
        while service.sessions[stream].readers < 2:
            await asyncio.sleep(0.01)
        await service.append(stream, [Item(n) for n in range(250)])  # of which 100 are kept
    assert told.result().status_code == 410
    assert told.result().json()["missing"] == 150
    assert [event["data"] for event in anew.result().json()["events"]] == list(range(150, 250))


async def test_an_empty_poll_says_where_to_go_on(http: httpx.AsyncClient) -> None:
    stream = await start(http, "silent")
    resolved = (await http.get(f"/poll/{stream}?after=now&wait=0.05")).json()
    assert resolved["events"] == []
    assert resolved["cursor"].endswith((":0", ":1", ":2", ":3"))
    assert resolved["done"] is False


@pytest.mark.parametrize("lane", ["sse", "poll", "ndjson"])
async def test_a_reader_whose_client_is_gone_stops_waiting(
    http: httpx.AsyncClient, service: StreamService, lane: str
) -> None:
    stream = await start(http, "silent")
    reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
    writer.write(f"GET /{lane}/{stream}?after=now HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    async with asyncio.timeout(5):
        while not service.sessions[stream].readers:
            await asyncio.sleep(0.01)
        writer.close()
        while service.sessions[stream].readers:
            await asyncio.sleep(0.01)
    del reader


# A browser's EventSource


async def test_event_source_reads_a_stream_to_its_end(http: httpx.AsyncClient) -> None:
    response = await http.get("/sse/ended", headers=EVENT_SOURCE)
    assert response.headers["content-type"].startswith("text/event-stream")
    opened, *data, end = events(response.text)
    epoch = opened["id"].split(":")[0]
    assert opened == {"id": f"{epoch}:0", "event": "stream-open", "data": f'{{"cursor":"{epoch}:0","heartbeat":15.0}}'}
    assert [event["id"] for event in data] == [f"{epoch}:{n}" for n in range(1, 6)]
    assert end == {"id": f"{epoch}:5.end", "event": "stream-end", "data": '{"outcome":"completed"}'}


async def test_event_source_resumes_by_last_event_id_which_wins(http: httpx.AsyncClient) -> None:
    epoch = await epoch_of(http, "ended")
    headers = {**EVENT_SOURCE, "Last-Event-ID": f"{epoch}:3"}
    response = await http.get(f"/sse/ended?after={epoch}:1", headers=headers)
    assert [event["id"] for event in events(response.text)[1:-1]] == [f"{epoch}:4", f"{epoch}:5"]


async def test_event_source_that_comes_back_after_the_end_is_stopped(http: httpx.AsyncClient) -> None:
    epoch = await epoch_of(http, "ended")
    response = await http.get("/sse/ended", headers={**EVENT_SOURCE, "Last-Event-ID": f"{epoch}:5.end"})
    assert response.status_code == 204
    at_end = await http.get("/sse/ended", headers={**EVENT_SOURCE, "Last-Event-ID": f"{epoch}:5"})
    assert [event["event"] for event in events(at_end.text)] == ["stream-open", "stream-end"]


async def test_event_source_is_told_of_a_gap_instead_of_410(http: httpx.AsyncClient) -> None:
    epoch = await epoch_of(http, "ended")
    for last in ("other:7", f"{epoch}:99"):
        response = await http.get("/sse/ended", headers={**EVENT_SOURCE, "Last-Event-ID": last})
        opened, gap, *data, _ = events(response.text)
        assert response.status_code == 200
        assert opened["event"] == "stream-open"
        assert (gap["event"], gap["id"]) == ("stream-gap", f"{epoch}:0")
        assert json.loads(gap["data"]) == {"after": last, "next": f"{epoch}:0", "missing": None}
        assert len(data) == 5


async def test_other_clients_see_410(http: httpx.AsyncClient) -> None:
    response = await http.get("/sse/ended?after=other:7", headers={"Accept": "text/event-stream, application/json"})
    assert response.status_code == 410


async def test_a_stream_that_failed_says_so_without_internals(http: httpx.AsyncClient) -> None:
    stream = await start(http, "failing")
    response = await http.get(f"/sse/{stream}", headers=EVENT_SOURCE)
    assert events(response.text)[-1]["data"] == '{"outcome":"failed"}'
    assert "hunter2" not in response.text


# Plain text


async def test_plain_text_is_the_text(http: httpx.AsyncClient) -> None:
    stream = await start(http, "tokens", text="Hello, wörld!\n", rate=1000, ttft=0)
    response = await http.get(f"/ndjson/{stream}", headers={"Accept": "text/plain"})
    assert response.text == "Hello, wörld!\n"
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


async def test_plain_text_of_a_failed_stream_is_cut(http: httpx.AsyncClient) -> None:
    stream = await start(http, "failing")
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
        await http.get(f"/ndjson/{stream}", headers={"Accept": "text/plain"})


# The app


class Named(LongPollLane):
    """A lane under another name."""


@pytest.mark.parametrize("names", [["sessions"], ["metrics"], ["a", "a"], ["A"], ["a/b"], [""]])
def test_a_lanes_name_must_be_free_and_a_url_segment(names: list[str]) -> None:
    with pytest.raises(ValueError, match="can't be named"):
        create_app(transports=[Named(name=name) for name in names])


async def test_the_browsers_client_is_served_and_kept_by_browsers(http: httpx.AsyncClient) -> None:
    answer = await http.get("/streamlanes.js")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    folder = Path(clients.__file__).parent / "browser"
    for module in folder.glob("*.js"):
        (documented, _, _) = module.read_text().partition("*/")
        assert answer.text.count(documented) == 1, module
    assert not re.search(r"^import|from \"\./", answer.text, re.MULTILINE)
    tag = answer.headers["etag"]
    for sent in (tag, f"W/{tag}", f'"other", {tag}'):
        same = await http.get("/streamlanes.js", headers={"If-None-Match": sent})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert (await http.get("/streamlanes.js", headers={"If-None-Match": '"other"'})).status_code == 200
