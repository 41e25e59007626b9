"""`streamlanes watch`, as a process, at the real server."""

from __future__ import annotations

import asyncio
import io
import json
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator

import httpx
import pytest

from streamlanes.__main__ import main
from streamlanes.command.watch import Screen, Watcher
from streamlanes.contract.serving import serving
from streamlanes.contract.sources import AWKWARD, sources
from streamlanes.producers.events import Event
from streamlanes.transports import Settings, SharedStream, StreamService


@pytest.fixture
async def url() -> AsyncIterator[str]:
    news = SharedStream(name="news", producer="ticker", params={"count": 3, "arrivals": "at-once"})
    async with serving(StreamService(producers=sources(), shared=[news])) as base:
        yield base


async def begin(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "streamlanes", "watch", *arguments, stdout=PIPE, stderr=PIPE
    )


async def watched(*arguments: str) -> tuple[int | None, str, str]:
    process = await begin(*arguments)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("lane", ["sse", "ws", "poll", "ndjson"])
async def test_texts_flow(url: str, lane: str) -> None:
    text = "Zwölf Boxkämpfer,\nund so weiter."
    params = [f"--param={param}" for param in (f"text={text}", "rate=5000", "ttft=0")]
    status, out, err = await watched(url, "--start", "tokens", "--lane", lane, *params)
    assert (status, out) == (0, f"{text}\n")
    assert err.startswith("completed: ")
    assert err.endswith(" 0 reconnects\n")


async def test_values_are_lines_of_json(url: str) -> None:
    status, out, err = await watched(f"{url}/ws/news")
    assert status == 0
    assert [line.partition(",")[0] for line in out.splitlines()] == ['{"n":1', '{"n":2', '{"n":3']
    cursor = err.split("cursor ")[1].split(",")[0]
    status, out, _ = await watched(f"{url}/poll/news", "--after", cursor.replace(":3", ":2"))
    assert (status, len(out.splitlines())) == (0, 1)


async def test_everything_can_be_shown(url: str) -> None:
    status, out, err = await watched(url, "--start", "awkward")
    assert (status, err.split(" events")[0]) == (0, f"completed: {len(AWKWARD)}")
    assert "\nnothing null\n" in out
    assert "\norder.created {" in out


async def test_a_stream_that_fails_is_told(url: str) -> None:
    status, out, err = await watched(url, "--start", "failing", "--lane", "ws")
    assert (status, out) == (1, "0\n1\n2\n")
    assert err.startswith("failed: 3 events, ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("path", "arguments", "told"),
    [
        ("/sse/nope", [], "no such stream"),
        ("/ws/nope", [], "no such stream"),
        ("/pigeon/news", [], "no lane 'pigeon'"),
        ("", [], "--start"),
        ("", ["--start", "nope"], "no producer 'nope'"),
        ("", ["--start", "ticker", "--lane", "pigeon"], "no lane 'pigeon'"),
        ("", ["--start", "ticker", "--param", "size=1"], "size"),
        ("", ["--start", "ticker", "--param", "size"], "KEY=VALUE"),
        ("/sse/news", ["--lane", "ws"], "--start"),
        ("/sse/news", ["--after", "yesterday"], "isn't a cursor"),
        ("/sse/news", ["--after", "other:1"], "--after"),
    ],
)
async def test_what_cannot_be_watched(
    url: str,
    path: str,
    arguments: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["streamlanes", "watch", f"{url}{path}", *arguments])
    with pytest.raises(SystemExit) as raised:
        await asyncio.to_thread(main)
    said = capsys.readouterr()
    assert (raised.value.code, said.out) == (2, "")
    assert told in said.err
    assert len(said.err.splitlines()) == 1


async def test_gaps_are_told_and_gone_past_when_asked_to(url: str) -> None:
    status, out, err = await watched(f"{url}/ndjson/news", "--after", "other:1", "--on-gap", "skip")
    assert (status, len(out.splitlines())) == (0, 3)
    gap, end = err.splitlines()
    assert "no place other:1" in gap
    assert end.startswith("completed: 3 events")


async def test_a_server_that_is_not_there() -> None:
    async with await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
    status, _, err = await watched(f"http://127.0.0.1:{port}/sse/x")
    assert status == 2
    assert f"can't reach http://127.0.0.1:{port}" in err


async def test_a_server_that_takes_no_more_is_there() -> None:
    async with serving(StreamService(settings=Settings(max_sessions=1))) as url, httpx.AsyncClient() as http:
        (await http.post(f"{url}/start", json={"producer": "echo"})).raise_for_status()
        status, _, err = await watched(url, "--start", "tokens")
    assert (status, err) == (2, "streamlanes: there are too many sessions; try again later\n")


async def test_an_interrupt_says_where_to_go_on(url: str) -> None:
    process = await begin(url, "--start", "silent")
    assert process.stdout is not None
    assert [await process.stdout.readline() for _ in range(3)] == [b"0\n", b"1\n", b"2\n"]
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == 130
    told = err.decode().splitlines()
    assert len(told) == 1
    assert told[0].startswith("interrupted: 3 events")
    assert f"go on with streamlanes watch {url}/sse/" in told[0]  # whose id nobody else was told
    assert told[0].split()[-1].endswith((":3", ":2"))  # 2: it was stopped before it asked for the next


async def test_a_closed_pipe_ends_it_quietly(url: str) -> None:
    command = f"{sys.executable} -m streamlanes watch {url} --start ticker --param rate=200 | head -n 2"
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}", stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate()
    assert (process.returncode, len(out.splitlines()), err) == (0, 2, b"")


def test_a_line_of_json_begins_at_the_left() -> None:
    out = io.StringIO()
    screen = Screen(out)
    for data in ('"a"', '"b "', "1", '"\\ud800"', '""'):
        screen.show(Event(1, "message", data))
    screen.show(Event(1, "tick", '"text"'))
    screen.end_line()
    assert out.getvalue() == 'ab \n1\n\ufffd\ntick "text"\n'


def test_a_character_whose_halves_come_apart_is_whole() -> None:
    out = io.StringIO()
    screen = Screen(out)
    for data in ('"a\\ud83d"', '"\\ude42b"', '"\\ud83d"', "1", '"\\ude42"'):
        screen.show(Event(1, "message", data))
    screen.end_line()
    assert out.getvalue() == "a\U0001f642b\ufffd\n1\n\ufffd\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_would_steer_a_terminal_is_shown_there() -> None:
    text = json.dumps("\x1b[31mred\r\n\x07")
    for out, shown in ((Terminal(), "␛[31mred\n␇"), (io.StringIO(), "\x1b[31mred\r\n\x07")):
        Screen(out).show(Event(1, "message", text))
        assert out.getvalue() == shown


async def test_who_waits_long_is_told_until_when(capsys: pytest.CaptureFixture[str]) -> None:
    watcher = Watcher(Screen(io.StringIO()))
    for seconds in (5.0, 90.0):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await watcher._wait(seconds)
    short, long = capsys.readouterr().err.splitlines()
    assert short == "connection lost; trying again in 5.0 s"
    assert re.fullmatch(r"connection lost; trying again in 90\.0 s, at \d\d:\d\d:\d\d", long)
