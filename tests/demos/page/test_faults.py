"""Each button that breaks the network has its visible effect on the lanes, and nothing is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.demos.page.visiting import DEADLINE_MS, LANES, Visit, chromium, demonstrating

pytestmark = pytest.mark.timeout(120)  # a busy machine takes its time to start a browser


@pytest.fixture(scope="module")
def everything() -> Iterator[Visit]:
    with demonstrating() as demo, chromium() as browser:
        yield Visit(browser.new_page(viewport={"width": 1280, "height": 900}), demo.url)


@pytest.fixture
def visit(everything: Visit) -> Iterator[Visit]:
    """A stream on all lanes, which have brought something; afterwards nothing is lost."""
    everything.start("ticker", rate=40, count="", size=64)
    for lane in LANES:
        everything.events(lane, 10)
    yield everything
    expect(everything.page.locator("#agreement")).to_contain_text("3 lanes agree", timeout=DEADLINE_MS)
    for lane in LANES:
        assert (everything.count(lane, "lost"), everything.count(lane, "repeated")) == (0, 0)
    assert everything.own_complaints == []
    assert everything.elsewhere == []


def test_after_a_cut_streams_resume_and_polls_just_ask_again(visit: Visit) -> None:
    visit.page.click("#cut-all")
    visit.told("sse", r"^Resumed after event \d+: .* Nothing lost\.$")
    visit.told("ws", r"^Reconnected after \d+\.\d\ss: .* Nothing lost\.$")
    visit.told("poll", r"^Cut around event \d+, and didn't notice|Asked again .* Nothing lost\.$")
    assert visit.count("sse", "reconnects") == visit.count("ws", "reconnects") == 1
    expect(visit.part("sse", "text")).to_contain_text(re.compile(r"resumed after \d+"))
    for lane in LANES:
        assert visit.count(lane, "connections") == 2


def test_a_cut_of_one_lane_is_only_its_own(visit: Visit) -> None:
    visit.part("ws", "cut").click()
    visit.told("ws", r"^Reconnected after")
    assert [visit.count(lane, "reconnects") for lane in LANES] == [0, 1, 0]


def test_a_stall_holds_a_lane_and_brings_all_of_it_afterwards(visit: Visit) -> None:
    visit.part("sse", "stall").click()
    visit.told("sse", r"^Nothing passes for another \d\ss")
    held = visit.count("sse", "events")
    visit.events("ws", held + 80)
    assert visit.count("sse", "events") == held
    visit.told("sse", r"^The stall is over: \d{2,} events came at once")
    assert visit.count("sse", "reconnects") == 0


def test_a_buffering_proxy_breaks_one_lane_and_not_the_others(visit: Visit) -> None:
    box = visit.page.locator("#buffering-all")
    box.check()
    visit.told("sse", r"^The proxy holds it back, up to \d\.\d\ss")
    visit.told("ws", r"it passes\.$")
    visit.told("poll", r"passes at once\.$")
    box.uncheck()
    visit.told("sse", r"^One response that never ends")


def test_latency_and_bandwidth_show_where_they_are_set(visit: Visit) -> None:
    page = visit.page
    page.select_option("#network-lane", "poll")
    page.focus("#delay")
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    visit.told("poll", r"^The line is 200\sms long, and each answer costs a round trip")
    expect(visit.part("poll", "path")).to_have_text("200 ms each way")
    expect(visit.part("sse", "path")).to_have_text("")
    page.click("#network button[type=reset]")
    page.select_option("#network-lane", "sse")
    page.select_option("#bandwidth", "1000")
    visit.told("sse", r"^Comes \d.* late: the line takes 1\.0\sKB a second")
    page.click("#network button[type=reset]")
    visit.told("sse", r"^One response that never ends")
    page.select_option("#network-lane", "")


def test_after_a_restart_every_lane_says_so_and_offers_to_start_again(visit: Visit) -> None:
    visit.page.click("#restart")
    for lane in LANES:
        visit.told(lane, r"^The stream is gone: the server was restarted.* still here\.$")
        expect(visit.part(lane, "remedy")).to_have_text("Start again")
        assert visit.count(lane, "events") >= 10
        expect(visit.part(lane, "text")).to_contain_text('{"n":1,')
    expect(visit.page.locator("#notice")).to_contain_text("The server was restarted")
    visit.part("ws", "remedy").click()
    expect(visit.page.locator("#notice")).to_be_hidden(timeout=DEADLINE_MS)
    for lane in LANES:
        visit.phase(lane, "open")
        visit.events(lane, 1)
