"""What docs/browser.md shows works as it stands there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from playwright.async_api import Browser, Page

from streamlanes.contract.serving import serving
from streamlanes.transports import Settings, StreamService, create_app
from tests.serving import serving_app

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEXT = (Path(__file__).parents[2] / "docs" / "browser.md").read_text()
FIRST, FOLLOW, SEND, ELSEWHERE, NATIVE = re.findall(r"```js\n(.*?)```", TEXT, re.DOTALL)


@asynccontextmanager
async def own_page(browser: Browser, url: str) -> AsyncIterator[Page]:
    page = await browser.new_page()
    thrown: list[str] = []
    page.on("pageerror", lambda error: thrown.append(str(error)))
    try:
        await page.goto(url)
        yield page
        assert thrown == []
    finally:
        await page.close()


@asynccontextmanager
async def served_with_a_page(browser: Browser) -> AsyncIterator[Page]:
    """A page of the server's own origin."""
    service = StreamService()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/page")
    async def page() -> HTMLResponse:
        return HTMLResponse('<!doctype html><title>a page</title><link rel="icon" href="data:,">')

    app.mount("/", create_app(service))
    async with serving_app(app) as url, own_page(browser, f"{url}/page") as page_there:
        yield page_there


async def shown(page: Page, script: str, last: str) -> str:
    """Run *script* as a module in the page, until its text ends with *last*; returns the text."""
    await page.evaluate(
        """(text) => {
          const script = document.createElement("script");
          script.type = "module";
          script.textContent = text;
          document.body.append(script);
        }""",
        script,
    )
    text = "[...document.body.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data).join('')"
    await page.wait_for_function(f"last => {text}.trimEnd().endsWith(last)", arg=last, timeout=10_000)
    return str(await page.evaluate(text))


async def test_a_stream_is_shown(browser: Browser) -> None:
    async with served_with_a_page(browser) as page:
        assert len((await shown(page, f"{FIRST}\ndocument.body.append(' (end)')", "(end)")).split()) > 5


async def test_what_happens_is_told(browser: Browser) -> None:
    async with served_with_a_page(browser) as page:
        text = await shown(page, FOLLOW, "the stream is completed")
        assert "connects by ws\nconnected; reads on after " in text
        assert "Hello" in text


async def test_a_reload_goes_on_and_the_next_one_begins_anew(browser: Browser) -> None:
    """With a producer that waits, so that the reload is in mid-stream."""
    script = re.sub(r'"tokens", \{.*?\}', '"echo", { count: 2 }', FOLLOW)
    send = """async (text) => {
      const [, id] = /([^/]+)$/.exec(JSON.parse(sessionStorage.getItem("place")).links.sse);
      await fetch(`/send/${id}`, { method: "POST", body: JSON.stringify(text) });
    }"""
    loads = []
    async with served_with_a_page(browser) as page:
        for count, words in enumerate((("one",), ("two",), ("one", "two"))):
            if count:
                await page.reload()
            text = await shown(page, script, f":{count % 2}")  # connected
            for word in words:
                await page.evaluate(send, word)
                text = await shown(page, "", "the stream is completed" if word == "two" else word)
            loads.append(text)
    assert ["one" in load for load in loads] == [True, False, True]
    assert ["two" in load for load in loads] == [False, True, True]


async def test_what_is_sent_comes_back(browser: Browser) -> None:
    async with served_with_a_page(browser) as page:
        assert await shown(page, SEND, "[object Object]") == "hello [object Object] "


async def test_from_another_origin(browser: Browser, origin: str) -> None:
    async with (
        serving(StreamService(settings=Settings(allowed_origins=(origin,)))) as url,
        own_page(browser, origin) as page,
    ):
        script = ELSEWHERE.replace("https://api.example.com", url)
        assert script.count(url) == 2
        assert len((await shown(page, f"{script}\ndocument.body.append(' (end)')", "(end)")).split()) > 5


async def test_an_event_source(browser: Browser) -> None:
    async with served_with_a_page(browser) as page:
        assert await shown(page, NATIVE, "(completed)") == "Hello there (completed)"
