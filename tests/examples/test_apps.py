"""The examples: each app is started as its README says, read by Python clients, and its page driven in Chromium."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright

from streamlanes import Event
from streamlanes.clients import Client, EventStream, LongPollClient, NDJSONClient, SSEClient, WebSocketClient, start
from tests.apps import serving_folder
from tests.browser.conftest import ARGUMENTS

EXAMPLES = Path(__file__).parents[2] / "examples"


def options(example: str) -> tuple[str, ...]:
    """Return the options that the README's command has."""
    found = re.search(r"\$ uvicorn app:app( --\S+)*", (EXAMPLES / example / "README.md").read_text())
    assert found is not None
    return tuple(found[0].split()[3:])


@contextmanager
def serving(example: str, env: dict[str, str] | None = None) -> Iterator[str]:
    with serving_folder(EXAMPLES / example, options=options(example), env=env) as url:
        yield url


@contextmanager
def chat() -> Iterator[str]:
    folder = EXAMPLES / "llm_chat"
    with (
        serving_folder(folder, app="model:app", env={"PARROT_SECONDS": "0.02"}) as model,
        serving("llm_chat", {"CHAT_URL": f"{model}/v1/chat/completions"}) as url,
    ):
        yield url


@pytest_asyncio.fixture
async def page() -> AsyncIterator[Page]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("there is no Chromium here, which the example's page is opened with")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        page = await browser.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        await browser.close()
    assert complaints == []


async def test_an_answer_is_streamed_over_every_lane() -> None:
    clients: dict[str, Client] = {
        "sse": SSEClient(),
        "ws": WebSocketClient(),
        "poll": LongPollClient(),
        "ndjson": NDJSONClient(),
    }
    with chat() as url:
        async with asyncio.timeout(30):
            started = await start(f"{url}/streams", "chat", {"upstream": "chat", "prompt": "one two"})
            for lane, client in clients.items():
                async with client.connect(started.links[lane]) as stream:
                    texts = [json.loads(event.data) async for event in stream if event.type == "message"]
                assert texts == ["You", " said:", " one", " two"], lane


async def test_the_page_asks_goes_on_after_a_reload_and_stops(page: Page) -> None:
    with chat() as url:
        await page.goto(url)
        await page.fill("input[name=prompt]", " ".join(map(str, range(60))))
        await page.click("text=Ask")
        await page.wait_for_function("document.querySelector('#answer').textContent.includes(' 5')", timeout=10_000)
        await page.reload()
        await page.wait_for_function("document.querySelector('#answer').textContent.endsWith(' 59')", timeout=10_000)
        whole = f"You said: {' '.join(map(str, range(60)))}"
        assert await page.text_content("#answer") == whole  # nothing twice, nothing missing
        await page.fill("input[name=prompt]", " ".join(map(str, range(400))))
        await page.click("text=Ask")
        await page.wait_for_function("document.querySelector('#answer').textContent.includes(' 5')", timeout=10_000)
        await page.click("#stop")
        await page.wait_for_function("document.querySelector('#state').textContent == 'stopped'", timeout=10_000)
        assert not (await page.text_content("#answer") or "").endswith(" 399")


async def test_a_notification_reaches_every_reader() -> None:
    with serving("notifications") as url:
        async with asyncio.timeout(30), httpx.AsyncClient(base_url=url) as http:
            for text in ("one", "two"):
                assert (await http.post("/notifications", json={"text": text})).status_code == 202
            assert (await http.post("/notifications", json={"text": ""})).status_code == 422
            for client, lane in ((SSEClient(), "sse"), (LongPollClient(), "poll")):
                async with client.connect(f"{url}/streams/{lane}/all", after="start") as stream:
                    events = [json.loads((await anext(stream)).data) for _ in range(2)]
                assert events == [{"text": "one"}, {"text": "two"}]


async def test_a_page_shows_what_is_published_and_what_came_while_it_was_away(page: Page) -> None:
    with serving("notifications") as url:
        await page.goto(url)
        await page.wait_for_function("document.querySelector('#state').textContent == 'connected'", timeout=10_000)
        await page.fill("input[name=text]", "from <b>here</b>")
        await page.click("text=Publish")
        await page.wait_for_function("document.querySelectorAll('li').length == 1", timeout=10_000)
        await page.goto("about:blank")
        async with httpx.AsyncClient() as http:
            await http.post(f"{url}/notifications", json={"text": "meanwhile"})
        await page.goto(url)
        await page.wait_for_function("document.querySelectorAll('li').length == 1", timeout=10_000)
        assert await page.text_content("li") == "meanwhile"


async def test_commands_go_up_and_figures_come_down() -> None:
    with serving("dashboard") as url:
        async with asyncio.timeout(30):
            started = await start(f"{url}/streams", "figures", {})
            async with WebSocketClient().connect(started.links["ws"]) as stream:
                assert json.loads((await anext(stream)).data)["series"] == "sine"
                await stream.send({"series": "sawtooth", "rate": 50})
                settings = [event async for event in until(stream, "settings")]
                assert json.loads(settings[-1].data) == {"series": "sawtooth", "rate": 50}
                assert json.loads((await anext(stream)).data)["series"] == "sawtooth"
                await stream.send({"rate": 1_000})
                refused = [event async for event in until(stream, "refused")]
                assert "less than or equal to 50" in refused[-1].data


async def until(stream: EventStream, kind: str) -> AsyncIterator[Event]:
    """Yield the events up to the first one of a type."""
    async for event in stream:
        yield event
        if event.type == kind:
            return


async def test_the_page_draws_and_what_it_asks_for_changes_the_figures(page: Page) -> None:
    with serving("dashboard") as url:
        await page.goto(url)
        await page.wait_for_function("document.querySelector('#series').textContent == 'sine'", timeout=10_000)
        await page.select_option("select[name=series]", "cosine")
        await page.wait_for_function("document.querySelector('#series').textContent == 'cosine'", timeout=10_000)
        points = await page.get_attribute("polyline", "points")
        assert points
        assert len(points.split()) >= 2
