"""What the terminal shows, as values: it fits, it says the right thing, and proofs prove something."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.live import Live

from streamlanes.demos.digests import REMEMBERED, Digest, agreement
from streamlanes.demos.latencies import EVENTS, WINDOW_NS, Latencies
from streamlanes.demos.reading import Phase
from streamlanes.demos.screen import BARS, SCALE, DemoScreen, LanePanel, bar, kilobytes, milliseconds, spark
from streamlanes.demos.terminal import KEYS
from streamlanes.producers.events import Event

MS = 1_000_000


def column(name: str, tail: str = "some text") -> LanePanel:
    return LanePanel(
        name=name,
        phase=Phase.OPEN,
        tail=tail,
        slices=[None, *range(0, 300 * MS, MS)],
        events=1_234_567,
        percentiles=(123 * MS, 12_345 * MS),
        first_ns=None,
        connections=12,
        reconnects=11,
        up=10**7,
        down=10**9,
        lost=0,
        repeated=0,
        digest="3fa2b1c0",
        words="Lost, and back after 12.3 s: went on after event 1,234,567; 12,345 events that had gathered "
        "came at once.",
    )


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40), (40, 24), (20, 10), (250, 60)])
@pytest.mark.parametrize("tail", ["word " * 2_000, "x" * 6_000, "字🙂" * 3_000, "\n" * 5_000, ""])
def test_it_fits_whatever_comes(width: int, height: int, tail: str) -> None:
    out = io.StringIO()
    console = Console(
        file=out, force_terminal=True, color_system=None, width=width, height=height, legacy_windows=False
    )
    with Live(console=console, screen=True, auto_refresh=False) as live:
        out.seek(0)
        out.truncate()
        live.update(DemoScreen("title", [column(name, tail) for name in ("sse", "ws", "poll")], "keys"), refresh=True)
        lines = out.getvalue().removeprefix("\x1b[H").split("\n")
    assert len(lines) == height
    assert {console.measure(line).maximum for line in lines} <= {width}
    if (width, height) == (80, 24):
        assert lines[0].startswith("title")
        assert lines[-2].startswith("keys")
        assert lines[-1].startswith(SCALE)
        assert sum(line.count("3fa2b1c0") for line in lines) == 3
        assert [line.count("at once.") for line in lines if "at once." in line] == [3]
    if width < 78:
        assert "sse" in out.getvalue()
        assert "poll ·" not in out.getvalue()


@pytest.mark.parametrize(
    ("ns", "text"), [(None, "-"), (0, "0.00"), (9_994_000, "9.99"), (9_996_000, "10.0"), (1234 * MS, "1,234")]
)
def test_times_keep_their_width(ns: int | None, text: str) -> None:
    assert milliseconds(ns) == text


def test_bytes_and_bars() -> None:
    assert [kilobytes(count) for count in (0, 1_234, 99_940, 123_456, 10**9)] == [
        "0.0",
        "1.2",
        "99.9",
        "123",
        "1,000,000",
    ]
    assert [bar(ms) for ms in (0, 0.1, 1e9)] == [BARS[0], BARS[0], BARS[-1]]
    assert bar(100) > bar(10) > bar(1)
    assert spark([1 * MS, None], 4) == f"  {bar(1)} "
    assert spark([None, 1 * MS], 1) == bar(1)


def events(count: int, *, changed: int = 0) -> list[Event]:
    return [Event(n, "message", '"x"' if n != changed else '"y"') for n in range(1, count + 1)]


def digest(carried: list[Event]) -> tuple[int, Digest]:
    made = Digest()
    for event in carried:
        made.add(event)
    return len(carried), made


def test_lanes_agree_up_to_where_the_slowest_is() -> None:
    assert agreement([digest(events(9)), digest(events(7))]) == (7, True)
    assert agreement([digest(events(9, changed=3)), digest(events(7))]) == (7, False)
    assert agreement([digest(events(9, changed=8)), digest(events(7))]) == (7, True)
    assert agreement([digest(events(9)), digest([])]) is None
    assert agreement([]) is None
    assert agreement([digest(events(REMEMBERED + 10)), digest(events(9))]) is None


def test_latencies_wait_for_their_due_times_and_only_the_last_count() -> None:
    latencies = Latencies()
    latencies.received(1, 110)
    latencies.received(2, 230)
    latencies.slice()
    assert latencies.percentiles(50) is None
    latencies.join([100])
    assert latencies.percentiles(50, 99) == [10, 10]
    latencies.join([100, 200])
    assert latencies.percentiles(50, 51, 100) == [10, 30, 30]
    latencies.slice()
    assert list(latencies.slices) == [None, 30]
    due = [100, 200, *range(EVENTS)]
    for n in range(EVENTS):
        latencies.received(n + 3, n + 7)
    latencies.join(due)
    assert latencies.percentiles(1, 100) == [7, 7]


def test_latencies_of_more_than_30_s_ago_are_forgotten() -> None:
    latencies = Latencies()
    due = [0, 1, WINDOW_NS + 1]
    for offset, late in ((1, 900), (2, 5), (3, 7)):
        latencies.received(offset, due[offset - 1] + late)
    latencies.join(due)
    assert latencies.percentiles(1, 100) == [5, 7]


def test_at_60_columns_keys_are_whole_and_what_is_left_out_is_named() -> None:
    out = io.StringIO()
    console = Console(file=out, color_system=None, width=60, height=24)
    console.print(DemoScreen("title", [column(name) for name in ("sse", "ws", "poll", "ndjson")], KEYS), height=24)
    text = out.getvalue()
    assert "q quit" in text
    assert "too narrow for poll, ndjson" in text
