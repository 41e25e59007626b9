"""What docs/embed.md shows works as it stands there."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from playwright.async_api import async_playwright

from streamlanes.command.upstreams import upstream_producers
from tests.benchmarks.report.html.test_browser import ARGUMENTS
from tests.completions import answering, completions, saying
from tests.serving import serving_app

PAGE: Final = (Path(__file__).parents[2] / "docs" / "embed.md").read_text()
MOUNT, RELAY, READ = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
[SNIPPET] = re.findall(r"```html\n(.*?)```", PAGE, re.DOTALL)
[SERVE] = re.findall(r"^\$ streamlanes serve (.*)$", PAGE, re.MULTILINE)
COMMANDS: Final = [shlex.split(command) for command in re.findall(r"^\$ (curl .*)$", PAGE, re.MULTILINE)]
ADDRESS: Final = "https://api.example.com/v1/chat/completions"
KEY: Final = "sk-s3cret"


def run(source: str) -> FastAPI:
    defined: dict[str, FastAPI] = {}
    exec(compile(source, "embed.md", "exec"), defined)
    return defined["app"]


@asynccontextmanager
async def relaying(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Serve the page's relay, of an API here that answers "It scatters."; gives the server's URL."""
    assert ADDRESS in RELAY
    monkeypatch.setenv("EXAMPLE_API_KEY", KEY)
    async with asyncio.timeout(20), completions(answering(saying("It ", "scatters."))) as api:
        async with serving_app(run(RELAY.replace(ADDRESS, api.url))) as url:
            yield url
        (headers, body), *_ = api.requests
        assert headers["authorization"] == f"Bearer {KEY}"
        assert body["model"] == "small"
        assert body["max_tokens"] == 500


async def test_one_lane_is_mounted_by_two_lines() -> None:
    *_, service, mounted = MOUNT.strip().splitlines()
    assert service.startswith("service = ")
    assert mounted.startswith("mount(app, ")
    async with asyncio.timeout(20), serving_app(run(MOUNT)) as url, httpx.AsyncClient(base_url=url) as http:
        started = await http.post("/streams/start", json={"producer": "count", "params": {"to": 2}})
        assert started.json()["links"] == {"sse": f"/streams/sse/{started.json()['session_id']}"}
        read = (await http.get(started.json()["links"]["sse"])).text
    assert re.findall(r"^data: (\{\"n.*)$", read, re.MULTILINE) == ['{"n":1}', '{"n":2}']


async def test_the_relay_is_read_by_the_clients_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[tuple[object, ...]] = []
    reading: dict[str, Any] = {"print": lambda *values: printed.append(values)}
    async with relaying(monkeypatch) as url:
        source = READ.replace("http://127.0.0.1:8000", url)
        await asyncio.to_thread(exec, compile(source, "embed.md", "exec"), reading)  # it has a loop of its own
    finish = '{"finish_reason":"stop","usage":null}'
    events = [("message", '"It "'), ("message", '"scatters."'), ("finish", finish)]
    assert printed == [(lane, *event) for lane in ("sse", "ws", "poll", "ndjson") for event in events]


async def test_the_relay_is_read_by_curl(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    start, *reads = COMMANDS
    async with relaying(monkeypatch) as url:
        session = json.loads(await output(start, url))["session_id"]
        framed, bare = [await output(command, url, session) for command in reads]
    assert 'data: "It "\n' in framed
    assert bare == "It scatters."


async def output(command: list[str], url: str, session: str = "") -> str:
    """Run one of the page's commands against *url*."""
    given = [part.replace("http://127.0.0.1:8000", url).replace("SESSION", session) for part in command]
    process = await asyncio.create_subprocess_exec(
        *given, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return printed.decode()


def test_the_command_declares_the_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    option, value = shlex.split(SERVE)
    assert option == "--upstream"
    monkeypatch.setenv("EXAMPLE_API_KEY", KEY)
    params = upstream_producers([value])["upstream"].params
    params.model_validate({"upstream": "chat", "prompt": "Hello"})


async def test_a_page_reads_it_by_the_browsers_module() -> None:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("there is no Chromium here, which the page is opened with")
    app = run(MOUNT)
    app.get("/", response_class=HTMLResponse)(lambda: f"<!doctype html><title>Count</title>{SNIPPET}")
    async with asyncio.timeout(50), serving_app(app) as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        page = await browser.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(url)
        try:
            await page.wait_for_function("document.querySelector('pre').textContent == '1\\n2\\n3\\n'", timeout=20_000)
        finally:
            assert complaints == []
        await browser.close()
