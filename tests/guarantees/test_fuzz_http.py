"""Requests as no client sends them, and all that the OpenAPI document allows. Every answer is a documented one."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Final

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamlanes.contract.sources import sources
from streamlanes.transports import Settings, SharedStream, StreamService, Transport
from streamlanes.transports.server.httptools_protocol import MAX_HEAD, MAX_PIPELINED
from tests.guarantees.test_fuzz_websocket import Errors
from tests.guarantees.wires import connected, get, read_request, reply, rest, served, start, tasks, until
from tests.serving import serve_process

START: Final = (
    b"POST /start HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Content-Length: 20\r\n\r\n{"producer": "echo"}'
)
CHUNKED: Final = (
    b"POST /send/%s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n12\r\n1\r\n3\r\n0\r\n\r\n"
)


def new_service() -> StreamService:
    shared = [SharedStream(name="a", producer="silent"), SharedStream(name="ended", producer="awkward")]
    return StreamService(producers=sources(), shared=shared, settings=Settings(max_body_bytes=5000))


async def test_requests_cut_at_every_byte_leave_nothing(transport: Transport) -> None:
    service, errors = new_service(), Errors()
    async with served(service) as (url, http):
        session = await start(http, "echo")
        before = tasks()
        for request in (START, CHUNKED % session.encode(), read_request(transport, "a", "after=now&wait=60")):
            for cut in range(0, len(request), 1 if request is START else 3):
                async with connected(url, request[:cut]):
                    pass
        await until(lambda: not service.connections)
        await until(lambda: tasks() <= before)
        assert {held.readers for held in service.sessions.values()} == {0}
        assert len(service.sessions) == 3  # no half request started anything
        assert (await http.get(f"/poll/{session}?wait=0")).json()["events"] == []
    errors.check()


async def test_a_request_in_pieces_is_a_request() -> None:
    async with served(new_service()) as (url, _), connected(url) as (reader, writer):
        for n in range(len(START)):
            writer.write(START[n : n + 1])
            await writer.drain()
            await asyncio.sleep(0)
        status, _, _ = await reply(reader)
        assert status == 201


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 100, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
        b"GET /sse/a HTTP/1.1\r\nHost: localhost\r\nBad Name: x\r\n\r\n",
        b"CONNECT a:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET http:// HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /start HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12",
        b"POST /start HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /start HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /start HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        b"GET /sse/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /poll/a?after=now HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)  # fmt: skip
async def test_garbage_is_answered_or_cut(garbage: bytes) -> None:
    service, errors = new_service(), Errors()
    async with served(service) as (url, http):
        before = tasks()
        async with connected(url, garbage) as (reader, writer):
            writer.write_eof()
            answer = await rest(reader)
            assert answer[:12] in {
                b"",
                b"HTTP/1.1 400",
                b"HTTP/1.1 404",
                b"HTTP/1.1 405",
                b"HTTP/1.1 200",
                b"HTTP/1.1 422",
            }
        assert (await http.get("/poll/a?wait=0")).status_code == 200
        await until(lambda: not service.connections)
        await until(lambda: tasks() <= before)
    errors.check()


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with served(new_service()) as (url, _):
        async with connected(url, get("/poll/ended") + get("/healthz") + get("/nothing") + START) as (reader, _):
            assert [(await reply(reader))[0] for _ in range(4)] == [200, 200, 404, 201]
        async with connected(url, get("/poll/a?after=now&wait=60"), get("/healthz") * 2000) as (reader, _):
            await rest(reader)  # too many: it is closed
    assert MAX_PIPELINED < 2000


ENDLESS: Final = {
    "headers": (b"GET / HTTP/1.1\r\n", b"A: " + b"x" * 1000 + b"\r\n"),
    "a header": (b"GET / HTTP/1.1\r\nA: ", b"x" * 1000),
    "a path": (b"GET /", b"x" * 1000),
    "trailers": (START.replace(b"Content-Length: 20\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n14\r\n")
                 + b"\r\n0\r\n", b"A: " + b"x" * 1000 + b"\r\n"),
    "a chunk's extension": (CHUNKED.split(b"2\r\n")[0] % b"a" + b"1;", b"x" * 1000),
}  # fmt: skip


@pytest.mark.parametrize("what", ENDLESS)
async def test_nothing_endless_is_kept(what: str) -> None:
    """A megabyte of it and more is not taken, and costs no more memory than the sockets' buffers."""
    begin, more = ENDLESS[what]
    service, errors = new_service(), Errors()
    async with served(service) as (url, http):
        async with connected(url, begin) as (reader, writer):
            tracemalloc.start()
            try:
                for _ in range(3000):
                    writer.write(more)
                    await writer.drain()
                    await asyncio.sleep(0)
            except ConnectionError:
                pass
            else:
                pytest.fail("the server took it all")
            finally:
                held, _ = tracemalloc.get_traced_memory()
                tracemalloc.stop()
            assert held < 40 * MAX_HEAD
            del reader
        assert (await http.get("/healthz")).status_code == 200
        await until(lambda: not service.connections)
    errors.check()


async def test_half_a_head_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlanes.transports.server.httptools_protocol.HEAD_SECONDS", 0.1)
    async with served(new_service()) as (url, http):
        for begin in (b"", b"GET / HT", get("/healthz") + b"GET / HT"):
            async with connected(url, begin) as (reader, _):
                received = await rest(reader)
                assert (b"200 OK" in received) is begin.startswith(b"GET /healthz")
        async with connected(url, get("/healthz"), b"") as (reader, writer):
            assert (await reply(reader))[0] == 200
            await asyncio.sleep(0.3)  # between two requests there is time
            writer.write(get("/healthz"))
            assert (await reply(reader))[0] == 200
        assert (await http.get("/healthz")).status_code == 200


async def test_an_http_1_0_client_is_answered_as_uvicorn_does() -> None:
    """Chunked, which 1.0 doesn't know: nginx by default and curl understand it, and 505 would shut them out."""
    async with served(new_service()) as (url, _):
        for target, chunked in [("/sse/ended", True), ("/ndjson/ended", True), ("/poll/ended", False)]:
            async with connected(url, get(target, version="1.0")) as (reader, _):
                head, _, body = (await rest(reader)).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert b"connection: close" in head.lower()
            assert (b"transfer-encoding: chunked" in head.lower()) is chunked
            assert body.endswith(b"0\r\n\r\n") is chunked


TEXT: Final = st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=30)
CURSORS: Final = (
    TEXT
    | st.from_regex(r"\A[0-9a-z]{1,17}:[0-9]{1,20}(\.end)?\Z")
    | st.sampled_from(
        ["start", "now", "", ":", "a:", ":1", "a:-1", "a:01", "a:1e3", "a:1.end", ".end", "A:1", "é:1", "a:\u0661"]
    )
)
HEADERS: Final = st.dictionaries(
    st.sampled_from(
        ["Last-Event-ID", "Accept", "Content-Length", "Connection", "Expect", "Range", "If-None-Match", "X"]
    ),
    TEXT | CURSORS | st.sampled_from(["text/event-stream", "text/plain", "100-continue", "close", "0"]),
    max_size=3,
)
STATUSES: Final = {101, 200, 204, 400, 403, 404, 410, 413, 422}  # 403: a handshake at no route


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(CURSORS, st.sampled_from(["ended", "nothing"]) | TEXT, HEADERS), min_size=5, max_size=10))
async def test_any_cursor_id_and_header_has_a_documented_answer(
    transport: Transport, asked: list[tuple[str, str, dict[str, str]]]
) -> None:
    service, errors = new_service(), Errors()
    async with served(service) as (url, http):
        before = tasks()
        for after, stream, headers in asked:
            lines = "".join(
                f"{name}: {value.encode('latin-1', 'replace').decode('latin-1')}\r\n" for name, value in headers.items()
            )
            stream_part = stream.replace("#", "").replace("?", "").encode("ascii", "replace").decode()
            query = f"wait=0&after={after.encode('ascii', 'replace').decode()}"
            async with connected(url, read_request(transport, stream_part or "-", query, lines)) as (reader, _):
                try:
                    status, head, _ = await reply(reader)
                except asyncio.IncompleteReadError:
                    continue  # headers that end the connection
                assert status in STATUSES, (status, after, stream, headers)
                if status >= 400 and head.get("content-type") != "text/plain; charset=utf-8":  # uvicorn's own 400
                    assert head.get("content-type", "") in {"application/problem+json", ""}
        await until(lambda: not service.connections)
        await until(lambda: tasks() <= before)
        assert (await http.get("/healthz")).status_code == 200
    errors.check()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("examples", [8, pytest.param(200, marks=pytest.mark.long)])
def test_the_openapi_document_is_kept(tmp_path: Path, examples: int) -> None:
    """Schemathesis, on a server whose streams have ended, with the same cases each time."""
    with serve_process("--stream", "ended=ticker,count=5,arrivals=at-once", "--max-poll-wait", "0.05") as (
        url,
        process,
    ):
        ended = httpx.post(f"{url}/start", json={"producer": "ticker", "params": {"count": 1}}).json()["session_id"]
        known = f'[parameters]\n"path.stream" = "ended"\n"path.session_id" = "{ended}"\n'
        # What a field may be isn't all: a producer's parameters depend on one another.
        known += "[checks]\npositive_data_acceptance.enabled = false\n"
        # A producer's parameters may be text, as the command line has them; so `false` may be a 0.
        known += "[[operations]]\ninclude-name = 'POST /start'\nchecks.negative_data_rejection.enabled = false\n"
        (tmp_path / "schemathesis.toml").write_text(known)
        command = [str(Path(sys.executable).parent / "schemathesis"), "run", f"{url}/openapi.json"]
        options = ["--seed", "1", "--generation-deterministic", "--max-examples", f"{examples}",
                   "--phases", "examples,coverage,fuzzing", "--request-timeout", "5", "--no-color"]  # fmt: skip
        environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
        done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=590,
                              check=False, env=environment)  # fmt: skip
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        process.terminate()
        _, err = process.communicate(timeout=15)
    assert "Traceback" not in err
