"""Over a bound: a documented answer, exactly there, and room again as soon as somebody leaves."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack

import httpx
import pytest
from pydantic import ValidationError

from streamlanes import clients
from streamlanes.clients import Options
from streamlanes.command.serve import read_settings
from streamlanes.contract.sources import Fed, sources
from streamlanes.producers.errors import StreamFailed
from streamlanes.producers.wire import LONG_POLL, SSE, WEBSOCKET
from streamlanes.transports import Settings, SharedStream, StreamService, Transport
from tests.guarantees.wires import (
    UPGRADE,
    connected,
    frame,
    get,
    read_request,
    reply,
    rest,
    served,
    start,
    status_of,
    tasks,
    until,
)

OVER = Settings(max_readers=3, max_connections=5)


def shared(*names: str) -> list[SharedStream]:
    return [SharedStream(name=name, producer="silent") for name in names]


def taken(transport: Transport) -> int:
    """What a reader that is let in sees first."""
    return 101 if transport.wire == WEBSOCKET else 200


def query(transport: Transport) -> str:
    """What makes a reader stay."""
    return "after=now&wait=60" if transport.wire == LONG_POLL else ""


async def enter(
    stack: AsyncExitStack, url: str, service: StreamService, lane: Transport, stream: str
) -> AsyncExitStack:
    """Let a reader in, which stays until its stack is closed."""
    before = len(service.connections)
    own = await stack.enter_async_context(AsyncExitStack())
    reader, _ = await own.enter_async_context(connected(url, read_request(lane, stream, query(lane))))
    if lane.wire != LONG_POLL:
        assert await status_of(reader) == taken(lane)
    await until(lambda: len(service.connections) == before + 1)
    return own


async def refused(url: str, lane: Transport, stream: str, headers: str = "") -> tuple[int, dict[str, str], bytes]:
    async with connected(url, read_request(lane, stream, query(lane), headers)) as (reader, _):
        return await reply(reader)


async def test_readers_are_counted_exactly(transport: Transport) -> None:
    service = StreamService(producers=sources(), shared=shared("a", "b"), settings=OVER)
    async with served(service) as (url, _), AsyncExitStack() as stack:
        readers = [await enter(stack, url, service, transport, "a") for _ in range(3)]
        for _ in range(3):  # as often as you like: who is refused isn't counted
            status, headers, body = await refused(url, transport, "a")
            assert (status, headers["content-type"]) == (429, "application/problem+json")
            assert int(headers["retry-after"]) >= 1
            assert json.loads(body)["status"] == 429
            assert "stream has too many readers" in json.loads(body)["detail"]
        others = [await enter(stack, url, service, transport, "b") for _ in range(2)]
        _, _, body = await refused(url, transport, "b")
        assert "server has too many readers" in json.loads(body)["detail"]
        assert service.metrics.lane(transport.name).dropped == {"limit": 4}
        for leaving, stream in [(readers, "a"), (others, "b")]:
            await leaving.pop().aclose()
            await until(lambda: len(service.connections) == 4)
            await enter(stack, url, service, transport, stream)
            assert (await refused(url, transport, stream))[0] == 429
    assert not service.connections
    assert {session.readers for session in service.sessions.values()} == {0}


async def test_an_event_source_is_asked_to_come_back_instead() -> None:
    lane = next(lane for lane in _lanes() if lane.wire == SSE)
    service = StreamService(producers=sources(), shared=shared("a"), settings=Settings(max_readers=1))
    async with served(service) as (url, _), AsyncExitStack() as stack:
        await enter(stack, url, service, lane, "a")
        status, headers, body = await refused(url, lane, "a", "Accept: text/event-stream\r\n")
        assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert body.startswith(b"retry: ")
        assert body.endswith(b"\n\n")
        assert int(body.split()[1]) >= 1000
        for accept in ("*/*", "text/event-stream, application/problem+json"):
            assert (await refused(url, lane, "a", f"Accept: {accept}\r\n"))[0] == 429


def _lanes() -> list[Transport]:
    from streamlanes.transports import discover

    return list(discover().values())


async def test_readers_that_leave_at_bad_moments_leave_nothing(transport: Transport) -> None:
    """In the middle of the request, of the handshake, before, in and after the first event, at any byte."""
    fed = Fed()
    service = StreamService(producers=sources(fed), shared=[SharedStream(name="a", producer="fed")], settings=OVER)
    async with served(service) as (url, http):
        base = tasks()
        request = read_request(transport, "a", query(transport))
        for cut in range(0, len(request) + 1, 5):
            async with connected(url, request[:cut]):
                pass
        for n in range(12):
            async with connected(url, request) as (reader, writer):
                if n % 2 or n % 3 == 0:
                    await until(lambda: bool(service.connections))
                    fed.queue.put_nowait("x" * 1000)
                if n % 2:
                    await reader.read(1 + n * 20)
                if n % 5 == 0:
                    writer.write_eof()
        # nobody is left: all places are free again
        await until(lambda: not service.connections and service.sessions["a"].readers == 0)
        assert (await http.get("/poll/a?wait=0")).status_code == 200
        async with AsyncExitStack() as stack:
            for _ in range(3):
                await enter(stack, url, service, transport, "a")
            assert (await refused(url, transport, "a"))[0] == 429
        await until(lambda: not service.connections)
        await until(lambda: tasks() <= base)
    assert service.metrics.lane(transport.name).connections == 0


async def test_the_end_of_a_stream_frees_its_readers_places(transport: Transport) -> None:
    fed = Fed()
    shares = [SharedStream(name="a", producer="fed"), *shared("b")]
    service = StreamService(producers=sources(fed), shared=shares, settings=Settings(max_connections=2))
    async with served(service) as (url, _), AsyncExitStack() as stack:
        await enter(stack, url, service, transport, "a")
        await enter(stack, url, service, transport, "a")
        fed.queue.put_nowait(None)
        await until(lambda: not service.connections)
        await enter(stack, url, service, transport, "b")


async def test_sessions_are_counted_exactly() -> None:
    service = StreamService(producers=sources(), shared=shared("a"), settings=Settings(max_sessions=3))
    async with served(service) as (_, http):
        answers = await asyncio.gather(*[http.post("/start", json={"producer": "silent"}) for _ in range(6)])
        assert sorted(answer.status_code for answer in answers) == [201] * 3 + [429] * 3
        over = next(answer for answer in answers if answer.status_code == 429)
        assert over.headers["content-type"] == "application/problem+json"
        assert int(over.headers["retry-after"]) >= 1
        started = [answer.json()["session_id"] for answer in answers if answer.status_code == 201]
        bad = await http.post("/start", json={"producer": "ticker", "params": {"rate": 0}})
        assert bad.status_code in {422, 429}
        for _ in range(3):
            assert (await http.delete(f"/sessions/{started.pop()}")).status_code == 204
            started.insert(0, await start(http, "silent"))
            assert (await http.post("/start", json={"producer": "silent"})).status_code == 429


async def test_a_start_that_is_refused_takes_no_place() -> None:
    async with served(StreamService(settings=Settings(max_sessions=1))) as (_, http):
        for _ in range(3):
            bad = await http.post("/start", json={"producer": "ticker", "params": {"rate": 0}})
            assert bad.status_code == 422
        await start(http, "echo")


LANES_AND_ROUTES = ["/start", "/send/{session}", "/sessions/{session}", "/sse/{session}", "/ndjson/{session}",
                    "/poll/{session}", "/healthz", "/metrics", "/nothing"]  # fmt: skip


@pytest.mark.parametrize("path", LANES_AND_ROUTES)
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
async def test_a_body_is_bounded_on_every_route(path: str, chunked: bool) -> None:
    service = StreamService(producers=sources(), settings=Settings(max_body_bytes=1000))
    async with served(service) as (url, http):
        target = path.format(session=await start(http, "silent"))
        method = "POST" if target.startswith(("/start", "/send")) else "GET"
        head = f"{method} {target}?wait=60&after=now HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        bodies = [b"Transfer-Encoding: chunked\r\n\r\n", *[b"64\r\n" + b" " * 100 + b"\r\n"] * 11]
        data = bodies if chunked else [b"Content-Length: 1001\r\n\r\n"]
        async with connected(url, head.encode(), *data) as (reader, _):
            status, headers, _ = await reply(reader)
            if status == 413:
                assert headers["content-type"] == "application/problem+json"
            elif path.startswith(("/sse", "/ndjson")):
                assert status == 200
                await rest(reader)  # an answer that has begun is cut
            else:  # who doesn't wait for the body may answer first
                assert chunked
                assert path in {"/sessions/{session}", "/healthz", "/metrics", "/nothing"}
                assert status in {200, 404}
        await until(lambda: not service.connections)
        # up to the limit it may be
        padded = json.dumps({"producer": "silent"}).ljust(1000)
        ok = await http.post("/start", content=padded, headers={"Content-Type": "application/json"})
        assert ok.status_code == 201


async def test_a_body_that_stays_away_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlanes.transports.door.body.BodyLimit.__init__.__kwdefaults__", {"seconds": 0.1})
    async with served(StreamService()) as (url, http):
        session = await start(http, "echo")
        for target in ("/start", f"/send/{session}"):
            head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{{"
            async with connected(url, head.encode()) as (reader, _):
                status, headers, _ = await reply(reader)
                assert (status, headers["content-type"]) == (408, "application/problem+json")
                assert await rest(reader) == b""


async def test_events_and_bytes_of_a_stream_are_bounded() -> None:
    fed = Fed()
    settings = Settings(retain_events=10, retain_bytes=500)
    async with served(StreamService(producers=sources(fed), settings=settings)) as (_, http):
        session = await start(http, "fed")
        for n in range(100):
            fed.queue.put_nowait(n)
        oldest, _ = await _settled(http, session, 100)
        assert oldest.endswith(":90")
        for _ in range(10):
            fed.queue.put_nowait("x" * 98)
        oldest, held = await _settled(http, session, 110)
        assert (oldest.partition(":")[2], held) == ("105", 500)


async def _settled(http: httpx.AsyncClient, session: str, head: int) -> tuple[str, int]:
    async with asyncio.timeout(10):
        while not (state := (await http.get(f"/sessions/{session}")).json())["head"].endswith(f":{head}"):
            await asyncio.sleep(0.01)
    return state["oldest"], state["bytes"]


async def test_an_event_that_is_too_large_ends_the_stream_as_failed(transport: Transport) -> None:
    fed = Fed()
    service = StreamService(producers=sources(fed), settings=Settings(max_event_bytes=100))
    async with served(service) as (url, http):
        session = await start(http, "fed")
        for value in ["x" * 98, "é" * 49, "x" * 99, "never"]:
            fed.queue.put_nowait(value)
        client = clients.discover()[transport.wire]
        async with client.connect(f"{url}/{transport.name}/{session}", options=Options(attempts=1)) as stream:
            assert [json.loads((await anext(stream)).data) for _ in range(2)] == ["x" * 98, "é" * 49]
            with pytest.raises(StreamFailed):
                await anext(stream)
        assert (await http.get(f"/sessions/{session}")).json()["state"] == "failed"


async def test_a_poll_waits_no_longer_than_the_server_allows() -> None:
    service = StreamService(producers=sources(), shared=shared("a"), settings=Settings(max_poll_wait=0.1))
    async with served(service) as (_, http):
        async with asyncio.timeout(5):
            for wait in ("", "&wait=60"):
                answer = await http.get(f"/poll/a?after=now{wait}")
                assert (answer.status_code, answer.json()["events"]) == (200, [])
        assert (await http.get("/poll/a?wait=60.1")).status_code == 422  # the wire's own bound


async def test_a_message_longer_than_a_body_closes_the_socket() -> None:
    settings = Settings(max_message_bytes=100, max_body_bytes=1000)
    service = StreamService(producers=sources(), shared=shared("a"), settings=settings)
    async with served(service) as (url, _), connected(url, get("/ws/a", UPGRADE)) as (reader, writer):
        assert await status_of(reader) == 101
        writer.write(frame(1, b'"' + b"x" * 998 + b'"'))
        async with asyncio.timeout(5):
            assert b"100 bytes" in await reader.readuntil(b"send less at once")
        writer.write(frame(1, b"x" * 1001))
        assert (1009).to_bytes(2) in await rest(reader)
        await until(lambda: not service.connections)


NUMBERS = {name: 3 + n for n, name in enumerate(Settings.model_fields) if not name.startswith("allowed")}


def test_every_limit_is_a_variable_and_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, number in NUMBERS.items():
        monkeypatch.setenv(f"STREAMLANES_{name.upper()}", str(number))
    monkeypatch.setenv("STREAMLANES_ALLOWED_HOSTS", "a.example, b.example")
    settings = Settings()
    assert {name: getattr(settings, name) for name in NUMBERS} == NUMBERS
    assert settings.allowed_hosts == ("a.example", "b.example")
    given = {name: str(number + 20) for name, number in NUMBERS.items()}
    options = read_settings(given)  # which go before the environment
    assert {name: getattr(options, name) for name in NUMBERS} == {name: number + 20 for name, number in NUMBERS.items()}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "", "x"])
def test_no_limit_can_be_meaningless(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    if name == "drain" and value == "0":
        return  # not to wait at all
    monkeypatch.setenv(f"STREAMLANES_{name.upper()}", value)
    with pytest.raises(ValidationError):
        Settings()
