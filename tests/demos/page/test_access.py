"""The page for everybody: axe-core finds nothing serious, the keyboard is enough, and 390 pixels are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.demos.page.visiting import DEADLINE_MS, LANES, Visit, chromium, demonstrating

AXE = Path(__file__).parents[2] / "browser" / "node_modules" / "axe-core" / "axe.min.js"
FOUND = """
async () => (await axe.run()).violations
  .filter(({ impact }) => impact === "serious" || impact === "critical")
  .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`)
"""

pytestmark = pytest.mark.timeout(120)  # a busy machine takes its time to start a browser


@pytest.fixture(scope="module")
def visit() -> Iterator[Visit]:
    with demonstrating() as demo, chromium() as browser:
        yield Visit(browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce"), demo.url)


@pytest.mark.parametrize("state", ["streaming", "stopped"])
def test_axe_finds_nothing_serious(visit: Visit, state: str) -> None:
    if not AXE.exists():
        pytest.skip("axe-core isn't installed; `make types-browser` does it, with npm")
    if state == "streaming":
        for lane in LANES:
            visit.events(lane, 20)
    else:
        visit.page.click("#restart")
        for lane in LANES:
            visit.phase(lane, "failed")
    visit.page.evaluate(AXE.read_text(encoding="utf-8"))
    themes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for theme in themes:
        visit.page.emulate_media(color_scheme=theme)
        assert visit.page.evaluate(FOUND) == [], theme


def test_everything_can_be_done_from_the_keyboard(visit: Visit) -> None:
    visit.start("tokens", rate=40, count="")
    visit.events("sse", 5)
    page = visit.page
    focused = "document.activeElement.id || document.activeElement.dataset.part || document.activeElement.name"
    page.evaluate("document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0)")
    page.evaluate("document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')")
    seen: list[str] = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(focused))
        if seen[-1] == "cut-all":
            page.keyboard.press("Enter")
        if seen[-1] == "reader-count":
            break
    assert seen[1:5] == ["cut-all", "stall-all", "buffering-all", "restart"]
    assert seen[5:9] == ["tape", "cut", "stall", "buffering"]
    assert {"producer", "param-text", "param-rate", "network-lane", "delay", "bandwidth", "ndjson"} <= {*seen}
    visit.told("ws", r"^Reconnected after")


def test_news_is_spoken_and_the_rest_is_not(visit: Visit) -> None:
    region = visit.page.locator("#announcements")
    assert region.get_attribute("aria-live") == "polite"
    visit.start("tokens", rate=40, count="")
    visit.events("sse", 5)
    visit.part("sse", "cut").click()
    expect(region).to_contain_text("sse: Resumed after event", timeout=DEADLINE_MS)
    assert visit.page.locator("#columns [aria-live], #columns [role=log], #columns [role=status]").count() == 0


@pytest.mark.parametrize("width", [390, 820, 1280, 1920])
def test_it_fits(visit: Visit, width: int) -> None:
    visit.page.set_viewport_size({"width": width, "height": 860})
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    box = visit.column("poll").bounding_box()
    assert box is not None
    assert 216 <= box["width"] <= width
