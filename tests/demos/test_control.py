"""The page's API: what each call does, and what is refused."""

from __future__ import annotations

import asyncio
import re
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from streamlanes import clients
from streamlanes.demos.control import MAX_OFFSET
from streamlanes.demos.crowd import MAX_READERS
from streamlanes.producers.events import Cursor
from streamlanes.transports import discover
from streamlanes.transports.baselines import discover as discover_baselines
from tests.demos.staging import CHOSEN, DEADLINE, Demo, demonstrating, until


async def test_every_route_does_what_it_says(tmp_path: Path) -> None:
    """In one demo, since each has a server to start."""
    async with demonstrating(tmp_path) as demo:
        await the_stage_has_all_lanes(demo)
        await the_page_may_load_and_connect_to_nothing_else(demo)
        await a_run_is_read_through_the_relays_and_stopped(demo)
        await due_times_arrive_bit_by_bit(demo)
        await the_network_is_a_lanes_or_everybodys(demo)
        await readers_come_and_go(demo)


async def the_stage_has_all_lanes(demo: Demo) -> None:
    stage = (await demo.http.get("/api/stage")).json()
    wires = {name: lane.wire for name, lane in {**discover(), **discover_baselines()}.items()}
    assert {lane["name"]: lane["wire"] for lane in stage["lanes"]} == wires
    assert len({lane["url"] for lane in stage["lanes"]}) == len(wires)
    assert stage["chosen"] == CHOSEN
    assert stage["boot"] == 1
    assert stage["demo"] == (await demo.telemetry())["demo"] != ""
    assert set(stage["producers"]) == {"tokens", "ticker", "echo"}
    assert stage["producers"]["tokens"]["properties"]["rate"]["default"] == 50


async def the_page_may_load_and_connect_to_nothing_else(demo: Demo) -> None:
    page = await demo.http.get("/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    relays = {lane.url for lane in demo.stage.chosen(None)}
    sockets = {relay.replace("http:", "ws:") for relay in relays}
    assert set(policy.pop("connect-src").split()) == {"'self'", *relays, *sockets}
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    for path in re.findall(r'(?:src|href)="(/[^"]*)"', page.text):
        assert (await demo.http.get(path)).status_code == 200, path
    module = await demo.http.get("/streamlanes.js")
    assert module.headers["Content-Type"].startswith("text/javascript")
    assert "export " in module.text
    for path in ("/assets/../control.py", "/assets/%2e%2e/control.py", "/nothing"):
        assert (await demo.http.get(path)).status_code == 404


async def a_run_is_read_through_the_relays_and_stopped(demo: Demo) -> None:
    started = await demo.run("ticker", rate=50)
    assert Cursor.parse(started["cursor"]) == (started["epoch"], 0)
    assert started["boot"] == 1
    async with clients.SSEClient().connect(started["links"]["sse"]) as stream:
        assert (await anext(stream)).offset == 1
        figures = (await demo.telemetry())["lanes"]
        assert figures["sse"]["connections"] == figures["sse"]["open"] == 1
        assert figures["sse"]["up"] > 0 < figures["sse"]["down"]
        assert figures["ws"]["connections"] == figures["ws"]["down"] == 0
        assert (await demo.http.delete(f"/api/runs/{started['session_id']}")).status_code == 204
        async for _ in stream:
            pass
        assert stream.outcome == "deleted"
    again = await demo.http.delete(f"/api/runs/{started['session_id']}")
    assert again.status_code == 404
    assert again.headers["Content-Type"] == "application/problem+json"


async def due_times_arrive_bit_by_bit(demo: Demo) -> None:
    before = time.monotonic() * 1e3
    started = await demo.run("ticker", rate=100, count=50)
    had: list[float] = []
    while len(had) < 50:
        told = await demo.telemetry(epoch=started["epoch"], after=len(had))
        assert told["due"]["from"] == len(had) + 1
        had += told["due"]["ms"]
        assert before < told["now_ms"] < time.monotonic() * 1e3
        assert all(due < told["now_ms"] for due in had)  # it has been, by the same clock
    assert [round(later - first) for first, later in pairwise(had)] == [10] * 49
    assert before < had[0]
    assert (await demo.telemetry(epoch="0unknown", after=3))["due"] == {"from": 4, "ms": []}
    assert (await demo.telemetry())["due"]["ms"] == []


async def the_network_is_a_lanes_or_everybodys(demo: Demo) -> None:
    slow = {"delay": 0.2, "jitter": 0.1, "bandwidth": 5000.0, "buffering": True}
    assert (await demo.http.put("/api/network", json={"lane": None, **slow})).status_code == 204
    lanes = (await demo.telemetry())["lanes"]
    assert all(lane["network"] == slow for lane in lanes.values())
    clear = {"delay": 0.0, "jitter": 0.0, "bandwidth": None, "buffering": False}
    assert (await demo.http.put("/api/network", json={"lane": "ws"})).status_code == 204
    lanes = (await demo.telemetry())["lanes"]
    assert {name for name, lane in lanes.items() if lane["network"] == clear} == {"ws"}
    assert (await demo.http.post("/api/faults", json={"lane": "sse", "fault": "stall"})).status_code == 204
    lanes = (await demo.telemetry())["lanes"]
    assert 4 < lanes["sse"]["stalled"] <= 5
    assert lanes["ws"]["stalled"] == 0
    assert (await demo.http.put("/api/network", json={"lane": None})).status_code == 204


async def readers_come_and_go(demo: Demo) -> None:
    started = await demo.run("ticker", rate=200)
    order = {"session_id": started["session_id"], "count": 30, "lanes": [*CHOSEN, "ndjson", "sse-usual"]}
    connections = {name: lane["connections"] for name, lane in (await demo.telemetry())["lanes"].items()}
    assert (await demo.http.put("/api/readers", json=order)).status_code == 204

    async def all_read() -> bool:
        readers = (await demo.telemetry())["readers"]
        assert readers["faults"] == 0
        return (readers["count"], readers["received"] > 1_000, await readers_of(demo, started)) == (30, True, 30)

    await until(all_read)
    told = await demo.telemetry()
    assert connections == {name: lane["connections"] for name, lane in told["lanes"].items()}  # not through the relays
    assert (await demo.http.put("/api/readers", json={**order, "count": 5})).status_code == 204
    assert (await demo.telemetry())["readers"]["count"] == 5
    assert (await demo.http.put("/api/readers", json={**order, "count": 0})).status_code == 204
    assert (await demo.telemetry())["readers"] == {"count": 0, "received": 0, "faults": 0}

    async def nobody_reads() -> bool:
        return await readers_of(demo, started) <= 7  # those of polls are present for a while after their last answer

    await until(nobody_reads)
    assert (await demo.http.put("/api/readers", json={**order, "session_id": "nobody"})).status_code == 404


async def readers_of(demo: Demo, started: dict[str, Any]) -> int:
    """Ask the server."""
    answer = await demo.http.get(f"{demo.stage.server.url}/sessions/{started['session_id']}")
    return int(answer.json()["readers"])


BAD = [
    ("POST", "/api/runs", {"producer": "nobody"}, 422, "producer"),
    ("POST", "/api/runs", {"producer": "tokens", "params": {"rate": -1}}, 422, "params.rate"),
    ("POST", "/api/runs", {"producer": "replay", "params": {"recording": "/etc/passwd"}}, 422, "params.recording"),
    ("POST", "/api/runs", {}, 422, "producer"),
    ("PUT", "/api/network", {"lane": "pigeon"}, 422, "lane"),
    ("PUT", "/api/network", {"lane": "sse", "delay": -0.1}, 422, "delay"),
    ("PUT", "/api/network", {"lane": "sse", "delay": "long"}, 422, "delay"),
    ("PUT", "/api/network", {"lane": "sse", "bandwidth": 0}, 422, "bandwidth"),
    ("PUT", "/api/network", {"delay": 0.1}, 422, "lane"),
    ("PUT", "/api/network", {"lane": None, "loss": 0.1}, 422, "loss"),
    ("POST", "/api/faults", {"lane": "pigeon", "fault": "cut"}, 422, "lane"),
    ("POST", "/api/faults", {"lane": None, "fault": "fire"}, 422, "fault"),
    ("POST", "/api/faults", {"lane": None, "fault": "stall", "seconds": 0}, 422, "seconds"),
    ("PUT", "/api/readers", {"session_id": "a", "count": -1, "lanes": ["sse"]}, 422, "count"),
    ("PUT", "/api/readers", {"session_id": "a", "count": MAX_READERS + 1, "lanes": ["sse"]}, 422, "count"),
    ("PUT", "/api/readers", {"session_id": "a", "count": 1, "lanes": []}, 422, "lanes"),
    ("PUT", "/api/readers", {"session_id": "a", "count": 1, "lanes": ["pigeon"]}, 422, "lanes"),
    ("PUT", "/api/readers", {"session_id": "../x", "count": 1, "lanes": ["sse"]}, 422, "session_id"),
    ("GET", "/api/telemetry?epoch=../../x", None, 422, "epoch"),
    ("GET", "/api/telemetry?after=-1", None, 422, "after"),
]


async def test_what_is_wrong_is_a_problem_that_names_the_field(tmp_path: Path) -> None:
    async with demonstrating(tmp_path) as demo:
        for method, path, body, status, field in BAD:
            answer = await demo.http.request(method, path, json=body)
            assert answer.status_code == status, (path, body, answer.text)
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert [error["field"].split(".0")[0] for error in answer.json()["errors"]] == [field], answer.text
        await not_json_and_other_sites_are_refused(demo)
        await a_server_that_is_down_is_told(demo)


async def not_json_and_other_sites_are_refused(demo: Demo) -> None:
    for content in (b"{", b"\xff\xff", b"[1]", b""):
        answer = await demo.http.put("/api/network", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, content
    half = r'"\ud800"'  # of a surrogate pair, as a browser sends it
    orders = (
        f'{half}, "params": {{}}',
        f'"tokens", "params": {{{half}: 1}}',
        f'"tokens", "params": {{"text": {half}}}',
    )
    for order in orders:
        content = f'{{"producer": {order}}}'.encode()
        answer = await demo.http.post("/api/runs", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, order
    started = await demo.run("tokens")
    assert not (await demo.telemetry(epoch=started["epoch"], after=MAX_OFFSET))["due"]["ms"]
    long = await demo.http.post("/api/runs", json={"producer": "tokens", "params": {"text": "x" * 3_000_000}})
    assert long.status_code == 413
    cut = {"lane": None, "fault": "cut"}
    for headers, status in (
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": demo.stage.lanes["sse"].url}, 403),  # another port is another origin
        ({"Host": "evil.example"}, 421),
        ({"Origin": str(demo.http.base_url).rstrip("/")}, 204),
    ):
        answer = await demo.http.post("/api/faults", json=cut, headers=headers)
        assert answer.status_code == status, headers
    read = await demo.http.get("/api/telemetry", headers={"Host": "evil.example"})
    assert read.status_code == 421


async def a_server_that_is_down_is_told(demo: Demo) -> None:
    demo.stage.server.kill()
    assert not (await demo.telemetry())["alive"]
    answer = await demo.http.post("/api/runs", json={"producer": "tokens"})
    assert answer.status_code == 503
    assert answer.json()["detail"] == "the server is down; restart it"
    assert answer.headers["Retry-After"] == "1"
    assert (await demo.http.delete("/api/runs/abc")).status_code == 503
    assert (await demo.http.post("/api/restart")).json() == {"boot": 2}
    assert (await demo.telemetry())["alive"]
    await demo.run("tokens")


async def test_limits_of_the_server_are_passed_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMLANES_MAX_SESSIONS", "1")
    async with asyncio.timeout(DEADLINE), demonstrating(tmp_path) as demo:
        await demo.run("echo")
        answer = await demo.http.post("/api/runs", json={"producer": "echo"})
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) >= 0
        assert "sessions" in answer.json()["detail"]
