"""What goes wrong is told in words, with what came kept and the one thing to do; on a server with small limits."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.demos.page.visiting import DEADLINE_MS, LANES, Demo, Visit, chromium, demonstrating

SESSIONS = 4
LIMITS = {
    "STREAMLANES_MAX_SESSIONS": str(SESSIONS),
    "STREAMLANES_RETAIN_EVENTS": "60",
    "STREAMLANES_MAX_EVENT_BYTES": "2000",
}

pytestmark = pytest.mark.timeout(120)  # a busy machine takes its time to start a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with demonstrating(LIMITS) as demo:
        yield demo


@pytest.fixture(scope="module")
def everything(browser: Browser, demo: Demo) -> Visit:
    return Visit(browser.new_page(viewport={"width": 1280, "height": 900}), demo.url)


@pytest.fixture
def visit(everything: Visit) -> Iterator[Visit]:
    yield everything
    assert everything.own_complaints == []


def test_a_producer_that_fails(visit: Visit) -> None:
    visit.start("ticker", size=4000, rate=20)
    for lane in LANES:
        visit.told(lane, r"^The producer failed before its first event")
        expect(visit.part(lane, "remedy")).to_have_text("Start again")


def test_a_cursor_that_expired(visit: Visit, demo: Demo) -> None:
    visit.start("ticker", size=64, rate=100, count="")
    visit.events("poll", 5)
    stall = {"lane": "poll", "fault": "stall", "seconds": 2}
    assert httpx.post(f"{demo.url}/api/faults", json=stall, trust_env=False).status_code == 204
    visit.told("poll", r"^Was away, or too slow, .*: \d+ events in between can't be had any more\. The \d+ events")
    assert '{"n":1,' in (visit.part("poll", "text").text_content() or "")
    before = visit.count("poll", "events")
    remedy = visit.part("poll", "remedy")
    expect(remedy).to_have_text("Go on behind them")
    remedy.click()
    visit.events("poll", before + 30)
    assert visit.count("poll", "lost") > 0
    expect(visit.page.locator("#agreement")).to_contain_text("Not compared: poll")
    assert visit.count("sse", "lost") == 0


def test_a_server_that_has_enough_streams(visit: Visit, demo: Demo) -> None:
    visit.start("ticker", size=64, rate=20)
    visit.events("sse", 1)
    with httpx.Client(base_url=demo.url, trust_env=False) as http:
        sessions: list[str] = []
        while (answer := http.post("/api/runs", json={"producer": "echo"})).status_code == 201:
            sessions.append(answer.json()["session_id"])
            assert len(sessions) < SESSIONS
        assert answer.status_code == 429
        visit.page.click("#stream button[type=submit]")
        notice = visit.page.locator("#notice")
        expect(notice).to_contain_text("as many streams as it allows (429)", timeout=DEADLINE_MS)
        before = visit.count("sse", "events")
        visit.events("sse", before + 5)  # what was on goes on
        for session in sessions:
            http.delete(f"/api/runs/{session}")
        notice.get_by_role("button", name="Start again").click()
        expect(notice).to_be_hidden(timeout=DEADLINE_MS)
        visit.events("sse", 1)


def test_a_server_that_died(visit: Visit, demo: Demo) -> None:
    visit.start("ticker", size=64, rate=20)
    visit.events("sse", 5)
    demo.kill_server()
    notice = visit.page.locator("#notice")
    expect(notice).to_contain_text("The server has died", timeout=DEADLINE_MS)
    for lane in LANES:
        visit.told(lane, r"^The connection is gone: .* Holds event \d+, and will go on behind it\.")
    notice.get_by_role("button", name="Restart the server").click()
    expect(notice).to_contain_text("The server was restarted", timeout=DEADLINE_MS)
    notice.get_by_role("button", name="Start again").click()
    for lane in LANES:
        visit.phase(lane, "open")
        visit.events(lane, 1)
    expect(notice).to_be_hidden()


def test_a_demo_that_was_ended(browser: Browser) -> None:
    with demonstrating() as demo:
        visit = Visit(browser.new_page(), demo.url)
        visit.events("ws", 5)
        demo.kill()
        notice = visit.page.locator("#notice")
        expect(notice).to_contain_text("start `streamlanes demo` again", timeout=DEADLINE_MS)
        assert "A stream is a promise" in (visit.part("ws", "text").text_content() or "")
        assert visit.own_complaints == []
    with demonstrating(port=urlsplit(demo.url).port or 0):
        expect(notice).to_contain_text("The demo was started again", timeout=DEADLINE_MS)
        assert visit.count("ws", "connections") >= 0
        notice.get_by_role("button", name="Reload the page").click()
        visit.phase("ws", "open")
        visit.events("ws", 5)
        expect(notice).to_be_hidden()
