"""The page in a browser: every figure drawn, nothing fetched, no complaints, at both widths and in both themes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ARGUMENTS: Final = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
OPEN_S: Final = 1.0
"""CPU time of the page's own thread until it can be read; wall time would be the machine's load."""
DRAWN_MS: Final = 50_000
MARKS: Final = """
() => [...document.querySelectorAll("[data-plot]")].map((plot) => {
  const box = plot.getBoundingClientRect();
  const marks = plot.querySelectorAll(
    ".scatterlayer path.js-line, .scatterlayer path.point, .barlayer .point path, .heatmaplayer image");
  const drawn = [...marks].filter((mark) => mark.tagName === "image"
    ? mark.href.baseVal.startsWith("data:image/png") : mark.getBBox().width + mark.getBBox().height > 0);
  return { name: plot.getAttribute("aria-label"), width: box.width, drawn: drawn.length };
})
"""
TRACES: Final = """
() => [...document.querySelectorAll("[data-plot]")].every((plot) => plot.data.length > 0 &&
  plot.data.every((trace) => trace.x.length > 0 && (trace.y?.length ?? 0) > 0))
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("there is no Chromium here, which the page is looked at with")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class Visit:
    """A page, opened and drawn, and what it complained of and asked for."""

    def __init__(self, browser: Browser, file: Path, width: int, theme: Literal["light", "dark"]) -> None:
        self.page: Page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("html[data-drawn]", timeout=DRAWN_MS)

    def colours(self) -> list[str]:
        """The paper's colour, the text's within a figure, and the first line's."""
        found = self.page.evaluate(
            """() => [getComputedStyle(document.body).backgroundColor,
            getComputedStyle(document.querySelector("[data-plot] .xtick text")).fill,
            getComputedStyle(document.querySelector("[data-plot] path.js-line")).stroke]"""
        )
        return [str(colour) for colour in found]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("theme", "width"), [("light", 390), ("dark", 1280)])
def test_every_figure_is_drawn(browser: Browser, file: Path, width: int, theme: Literal["light", "dark"]) -> None:
    visit = Visit(browser, file, width, theme)
    plots = visit.page.evaluate(MARKS)
    assert len(plots) > 20
    assert [plot["name"] for plot in plots if plot["drawn"] == 0 or plot["width"] < 250] == []
    assert visit.page.evaluate(TRACES)
    assert visit.complaints == []
    assert [url for url in visit.requests if not url.startswith((file.as_uri(), "data:"))] == []
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    visit.page.close()


@pytest.mark.timeout(120)
def test_themes_and_lanes(browser: Browser, file: Path) -> None:
    visit = Visit(browser, file, 1280, "light")
    light = visit.colours()
    visit.page.emulate_media(color_scheme="dark")
    visit.page.wait_for_function(
        "light => getComputedStyle(document.querySelector('[data-plot] path.js-line')).stroke !== light", arg=light[2]
    )
    dark = visit.colours()
    assert all(one != other for one, other in zip(light, dark, strict=True)), (light, dark)

    figure = visit.page.locator("figure").first
    shown = figure.locator("path.js-line").count()
    figure.locator("button", has_text="poll-single").click()
    visit.page.wait_for_function(
        "shown => document.querySelector('figure').querySelectorAll('path.js-line').length === shown - 1", arg=shown
    )
    assert figure.locator("button", has_text="poll-single").get_attribute("aria-pressed") == "false"
    visit.page.close()


@pytest.mark.timeout(120)
def test_it_opens_in_a_second(browser: Browser, file: Path) -> None:
    """Until everything can be read; the figures are drawn after that, and hold up nobody."""
    page = browser.new_page()
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(file.as_uri(), wait_until="domcontentloaded")
    metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    assert metrics["TaskDuration"] < OPEN_S
    assert page.locator("h2").count() == 14
    page.close()
