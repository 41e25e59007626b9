"""One browser and one page for all tests here, on an event loop that stays; servers are each test's own."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse
from playwright.async_api import Browser, Error, Page, async_playwright

from streamlanes.transports.server.browser import browser_router
from tests.serving import serving_app

ARGUMENTS: Final = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PAGE: Final = """<!doctype html>
<title>a page</title>
<link rel="icon" href="data:,">
<script type="module" src="/driver.js"></script>
"""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("there is no Chromium here, which runs the browser's client")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def origin() -> AsyncIterator[str]:
    """Where the page comes from, which isn't where the streams come from."""
    app = FastAPI()
    app.include_router(browser_router())

    @app.get("/")
    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE)

    @app.get("/driver.js")
    async def driver() -> FileResponse:
        return FileResponse(Path(__file__).with_name("driver.js"), media_type="text/javascript")

    async with serving_app(app) as url:
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_page(browser: Browser, origin: str) -> AsyncIterator[Page]:
    async with AsyncExitStack() as stack:
        page = await browser.new_page()
        stack.push_async_callback(page.close)
        await page.goto(origin)
        await page.wait_for_function("globalThis.driver")
        yield page


@pytest_asyncio.fixture(loop_scope="session")
async def page(shared_page: Page) -> AsyncIterator[Page]:
    """A page that remembers nothing of other tests, and in which nothing is thrown that nobody catches."""
    await shared_page.evaluate("sessionStorage.clear()")
    thrown: list[str] = []

    def note(error: Error) -> None:
        thrown.append(str(error))

    shared_page.on("pageerror", note)
    yield shared_page
    shared_page.remove_listener("pageerror", note)
    assert thrown == []
