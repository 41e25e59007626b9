"""The page as it is meant to be seen: every lane brings the same, and nothing is fetched from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import expect

from streamlanes.clients.long_poll import decode
from tests.demos.page.visiting import DEADLINE_MS, LANES, Visit, chromium, demonstrating, digest_of

MARKUP = '<img src="x" onerror="document.title = \'run\'"><b>bold</b> & \u202e so on\n'

pytestmark = pytest.mark.timeout(120)  # a busy machine takes its time to start a browser


@pytest.fixture(scope="module")
def everything() -> Iterator[Visit]:
    with demonstrating() as demo, chromium() as browser:
        yield Visit(browser.new_page(viewport={"width": 1280, "height": 900}), demo.url)


@pytest.fixture
def visit(everything: Visit) -> Iterator[Visit]:
    yield everything
    assert everything.complaints == []
    assert everything.elsewhere == []


def test_a_first_visit_streams_on_all_lanes_by_itself(visit: Visit) -> None:
    for lane in LANES:
        visit.events(lane, 20)
        assert (visit.part(lane, "text").text_content() or "").startswith("A stream is a promise")
        expect(visit.part(lane, "p50")).to_have_text(re.compile(r"\d\s(ms|s)$"), timeout=DEADLINE_MS)
    expect(visit.page.locator("#agreement")).to_contain_text("3 lanes agree on every event")
    assert visit.count("sse", "connections") == visit.count("ws", "connections") == 1
    assert visit.count("poll", "requests") > visit.count("sse", "requests") == 1


def test_a_reload_ends_the_run_that_it_leaves(visit: Visit) -> None:
    started = visit.start("ticker", rate=20, count="")
    link = started["links"]["poll"]
    assert httpx.get(link, trust_env=False).status_code == 200
    visit.page.reload()
    expect(visit.page.locator("#columns")).not_to_have_attribute("data-run", started["epoch"], timeout=DEADLINE_MS)
    visit.events("sse", 5)
    ended = httpx.get(link, params={"after": "now", "wait": 10}, timeout=20, trust_env=False).json()
    assert (ended["done"], ended["outcome"]) == (True, "deleted")


def test_all_lanes_end_with_the_digest_that_python_reckons(visit: Visit) -> None:
    started = visit.start("ticker", rate=100, count=150, size=200)
    visit.page.locator("#choice label", has_text=re.compile("^ndjson$")).click()  # while it goes on
    digest = visit.whole((*LANES, "ndjson"))
    answer = httpx.get(started["links"]["poll"], params={"after": "start", "limit": 1000}, trust_env=False)
    events = decode(answer.content).events
    assert len(events) == 150
    assert digest == digest_of(events)
    visit.page.locator("#choice label", has_text=re.compile("^ndjson$")).click()
    assert visit.column("ndjson").count() == 0


def test_markup_in_a_text_of_ones_own_is_shown_as_text(visit: Visit) -> None:
    visit.start("tokens", text=MARKUP, rate=200, count="", ttft=0)
    visit.whole(LANES)
    for lane in LANES:
        expect(visit.part(lane, "text")).to_have_text(MARKUP.rstrip("\n"), timeout=DEADLINE_MS, use_inner_text=True)
        assert visit.part(lane, "tape").locator("img, b").count() == 0
    assert visit.page.title().startswith("streamlanes")


def test_what_is_sent_comes_back_on_every_lane(visit: Visit) -> None:
    visit.start("echo", count=1)
    visit.page.fill("#message", "<i>hello</i>")
    visit.page.click("#send button")
    visit.whole(LANES)
    for lane in LANES:
        expect(visit.part(lane, "text")).to_have_text("<i>hello</i>")


def test_a_tape_stays_short_whatever_comes(visit: Visit) -> None:
    visit.start("ticker", rate=5000, count=10_000, size=64)
    visit.whole(LANES)
    for lane in LANES:
        assert visit.part(lane, "text").evaluate("tape => tape.querySelectorAll('*').length") <= 100


def test_further_readers_are_counted(visit: Visit) -> None:
    visit.start("ticker", rate=50, count="")
    visit.page.fill("#reader-count", "6")
    visit.page.click("#readers button")
    expect(visit.page.locator("#readers-told")).to_have_text(
        re.compile(r"^6 readers received [1-9][\d,]* events\.$"), timeout=DEADLINE_MS
    )
    visit.page.click("#stop")
    for lane in LANES:
        visit.told(lane, r"^The stream was stopped after \d+ events\.$")


def test_parameters_that_are_refused_are_told_in_the_form(everything: Visit) -> None:
    everything.fill("ticker", arrivals="at-once", count="")
    everything.page.click("#stream button[type=submit]")
    expect(everything.page.locator("#stream-fault")).to_contain_text("needs a count")
    assert everything.own_complaints == []


def test_the_policy_lets_no_foreign_script_or_style_in(everything: Visit) -> None:
    answer = everything.page.request.get(everything.page.url)
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert not re.search(r'<script(?! type="module" src="/assets/)|\sstyle=|\son\w+=', answer.text())
    assert everything.own_complaints == []
