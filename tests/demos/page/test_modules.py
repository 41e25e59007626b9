"""The page's modules by themselves, in a browser: what they reckon and what they say."""

from __future__ import annotations

import random
import statistics
import zlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route

from streamlanes.demos.control import PAGE
from streamlanes.transports.server.browser import ENTRY, browser_client
from tests.demos.page.visiting import chromium

ORIGIN = "http://127.0.0.1"
TELL = """
async ([error, more]) => {
  const { tell } = await import("/assets/words.js");
  const client = await import("/streamlanes.js");
  const [name, ...values] = error;
  const { restarted, ...known } = more;
  const outage = { at: 0, after: 7, reason: "the server can't be reached", attempts: 12, back: null };
  const reading = { phase: "failed", events: 7, last: 7, outage, error: new client[name](...values), ...known };
  const { text, remedy } = tell({ reading, restarted: restarted ?? false });
  return [text, remedy];
}
"""

pytestmark = pytest.mark.timeout(120)  # a busy machine takes its time to start a browser


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """An empty page, which may import the modules."""

    def answer(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        if not name:
            route.fulfill(body="<!doctype html><title>empty</title>", content_type="text/html")
        elif name == f"{ENTRY}.js":
            route.fulfill(body=browser_client(), content_type="text/javascript")
        else:
            route.fulfill(path=PAGE / name, content_type="text/javascript")

    with chromium() as browser:
        page = browser.new_page()
        page.route("**/*", answer)
        page.goto(f"{ORIGIN}/")
        yield page


@pytest.mark.parametrize(
    ("error", "more", "words", "remedy"),
    [
        (["UnknownStream", "404"], {"restarted": True}, "The stream is gone: the server was restarted", "again"),
        (["UnknownStream", "404"], {}, "The server no longer has this stream", "again"),
        (["StreamFailed", "…"], {}, "The producer failed after event 7,", "again"),
        (["StreamFailed", "…"], {"events": 0, "last": 0}, "The producer failed before its first event", "again"),
        (["StreamOrphaned", "…"], {}, "The producer went away", "again"),
        (["StreamLost", "…"], {}, "Gave up after 12 attempts to reach the server (the server can't be", "resume"),
        (["RequestRejected", "401: who are you?", 401], {}, "Stopped: 401: who are you?", "resume"),
        (["ProtocolViolation", "this isn't it"], {}, "Stopped: this isn't it", "resume"),
        (
            ["CursorExpired", "a:7", {"oldest": "a:9", "head": "a:20", "missing": 2}],
            {},
            "Was away, or too slow, for longer than the server remembers: 2 events in between",
            "skip",
        ),
    ],
)
def test_every_error_is_told_in_words_with_one_thing_to_do(
    page: Page, error: list[object], more: dict[str, object], words: str, remedy: str
) -> None:
    text, offered = page.evaluate(TELL, [error, more])
    assert text.startswith(words)
    assert text.endswith("The 7 events that came are still here.") == ("events" not in more)
    assert offered == remedy


def test_an_outage_is_over_when_the_lane_is_open_again_and_not_only_with_an_event(page: Page) -> None:
    told = page.evaluate(
        """async () => {
          const { tell } = await import("/assets/words.js");
          const { Reading } = await import("/assets/reading.js");
          const seams = [];
          const reading = new Reading({ name: "sse", wire: "sse" }, "/sse/x", () => {}, (outage) => seams.push(outage));
          const network = { delay: 0, jitter: 0, bandwidth: null, buffering: false };
          const say = () => tell({ reading, now: performance.now(), network, stalled: 0, stall: null, cut: null,
            behind: 0, worst: 0, pace: { requests: 0, events: 0 }, changed: -Infinity, restarted: false }).text;
          const told = [];
          reading.events = reading.last = 7;
          for (const [state, attempt] of [["waiting", 2], ["connecting", 2], ["waiting", 3], ["open", 3]]) {
            reading.follow({ state, lane: "sse", attempt, delay: 1, reason: "the connection was cut" });
            told.push(say());
          }
          return [...told, seams.length];
        }"""
    )
    assert [text.partition(".")[0] for text in told[:3]] == ["The connection is gone: the connection was cut"] * 3
    assert ["(attempt" in text for text in told[:3]] == [False, False, True]
    assert "(attempt 2)" in told[2]
    assert told[3].startswith("Resumed after event 7:")
    assert told[4] == 1


def test_a_stall_is_told_with_all_that_it_held_and_a_cut_in_it_as_a_new_connection(page: Page) -> None:
    told = page.evaluate(
        """async () => {
          const { tell } = await import("/assets/words.js");
          const { Circumstances } = await import("/assets/circumstances.js");
          const network = { delay: 0, jitter: 0, bandwidth: null, buffering: false };
          const wire = { up: 0, down: 0, connections: 1, open: 1, cut: 0, stalled: 0, network };
          const reading = { phase: "open", events: 10, last: 10, outage: null, requests: 1,
            lane: { wire: "long-poll" }, latencies: { worst: () => 0 } };
          const dues = { of: () => NaN, last: 0 };
          const seen = new Circumstances();
          const clock = { there: (now) => now };
          const say = (now) => tell(seen.situation(reading, now, dues, clock, false)).text;
          const told = [];
          const stall = (start, cut) => {
            seen.take({ ...wire, cut, stalled: 2 }, reading, start + 250, reading.last + 5);
            seen.take({ ...wire, cut, stalled: 0 }, reading, start + 2_250, reading.last + 205);
            reading.events = reading.last += 230;
            told.push(say(start + 2_500));
          };
          seen.take(wire, reading, 10_000, 10);
          stall(10_000, 0);
          stall(30_000, 1);
          return told;
        }"""
    )
    assert told[0] == "The stall is over: 205 events came at once. No new connection, nothing lost."
    assert told[1].startswith("The stall is over: 205 events came at once, over a new connection")


def test_a_restart_concerns_only_streams_that_are_not_complete_and_another_demo_all(page: Page) -> None:
    notices = page.evaluate(
        """async () => {
          const { notice } = await import("/assets/trouble.js");
          const show = { reachable: true, replaced: false, telemetry: null, run: { boot: 1 }, boot: 2 };
          return [
            notice({ ...show, complete: false }, false, null)?.act,
            notice({ ...show, complete: true }, false, null),
            notice({ ...show, complete: true, replaced: true }, false, null)?.act,
          ];
        }"""
    )
    assert notices == ["again", None, "reload"]


def test_text_breaks_at_the_same_places_however_it_comes(page: Page) -> None:
    blocks = page.evaluate(
        """async () => {
          const { Tape } = await import("/assets/tape.js");
          const text = "word and 👩‍🚀 ".repeat(900) + "👩‍🚀".repeat(2_000) + "\\nlast";
          const cut = (size) => text.match(new RegExp(`[^]{1,${size}}`, "gu"));
          const shown = [];
          for (const size of [1, 7, 2_000]) {
            const place = document.createElement("div");
            const tape = new Tape(place);
            for (const piece of cut(size)) {
              tape.event({ offset: 1, data: piece, raw: piece });
              tape.show();
            }
            shown.push([...place.children].map((block) => block.textContent));
          }
          return [text, ...shown];
        }"""
    )
    text, *shown = blocks
    assert ["".join(parts) for parts in shown] == [text] * 3
    assert shown[0] == shown[1] == shown[2]
    assert len(shown[0]) > 3


def test_the_digest_is_crc_32_of_utf_8(page: Page) -> None:
    texts = ["", "a", "π≈3", "👩‍🚀" * 9_000, "\u2028", '{"n":1}']
    digest = page.evaluate(
        """async (texts) => {
          const { Digest, hex } = await import("/assets/digest.js");
          const digest = new Digest();
          texts.forEach((text, index) => digest.add(`e:${index + 1}`, text));
          return hex(digest.value);
        }""",
        texts,
    )
    whole = "".join(f"e:{offset}\n{text}\n" for offset, text in enumerate(texts, 1))
    assert digest == f"{zlib.crc32(whole.encode()):08x}"


def test_percentiles_are_those_of_the_last_thirty_seconds_to_five_percent(page: Page) -> None:
    rng = random.Random(5)
    late = [rng.lognormvariate(2, 1.5) for _ in range(6_000)]
    old = [[5_000.0 + 10 * n, 60_000.0] for n in range(500)]
    recent = [[60_000.0 + 4 * n, value] for n, value in enumerate(late)]
    found = page.evaluate(
        """async (samples) => {
          const { Latencies } = await import("/assets/latency.js");
          const latencies = new Latencies();
          for (const [due, late] of samples) latencies.add(due, late);
          return latencies.quantiles([0.5, 0.99]);
        }""",
        old + recent,
    )
    cuts = statistics.quantiles(late, n=100, method="inclusive")
    assert found == pytest.approx([cuts[49], cuts[98]], rel=0.05)


def test_the_clock_goes_by_the_shortest_round_trip_of_the_last_minute(page: Page) -> None:
    offsets = page.evaluate(
        """async () => {
          const { Clock } = await import("/assets/clock.js");
          const clock = new Clock();
          const seen = [];
          for (const [sent, trip, theirs] of [[0, 10, 1005], [100, 2, 1101.4], [200, 40, 1290], [61_000, 6, 62_003]]) {
            clock.sample(sent, sent + trip, theirs);
            seen.push([clock.offset, clock.bound]);
          }
          return seen;
        }"""
    )
    assert [offset for offset, _ in offsets] == pytest.approx([1000, 1000.4, 1000.4, 1000])
    assert [bound for _, bound in offsets] == pytest.approx([5, 1, 1, 3])
