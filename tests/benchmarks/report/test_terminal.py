"""`results.jsonl` and what is made of it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from streamlanes.benchmarks.analysis import caveats
from streamlanes.benchmarks.analysis.histogram import Histogram
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment import results
from streamlanes.benchmarks.experiment.results import Header, ResultsError, TraceInfo
from streamlanes.benchmarks.experiment.scenario import Scenario, Setting, load
from streamlanes.benchmarks.experiment.summarise import summarise
from streamlanes.benchmarks.machine.environment import environment
from streamlanes.benchmarks.machine.processes import placement
from streamlanes.benchmarks.machine.usage import NOTHING_USED, Usage
from streamlanes.benchmarks.report import tables
from streamlanes.benchmarks.report.terminal import markdown, print_report
from streamlanes.benchmarks.report.verdicts import compared
from tests.benchmarks.raw import write_raw

SCENARIO = """
lanes = ["sse", "ws"]
[load]
[saturated]
"""


def scenario(folder: Path, text: str = SCENARIO, overrides: dict[str, Setting] | None = None) -> Scenario:
    path = folder / "tokens.toml"
    path.write_text(text)
    return load(path, overrides)


@pytest.fixture
def header(tmp_path: Path) -> Header:
    return Header(
        started="2026-01-01T00:00:00+00:00",
        command="streamlanes compare --rounds 2",
        scenario=scenario(tmp_path),
        trace=TraceInfo(file="trace.csv", sha256="0", speed=10, sessions=2, skipped=3, out_of_order=1),
        trials=4,
        environment=environment(placement()),
    )


@pytest.fixture
def finished(tmp_path: Path) -> list[Result]:
    return [
        summarise(write_raw(tmp_path / "1", (600, 500))),
        summarise(write_raw(tmp_path / "2", (600, 500), lane="ws", offsets=range(2, 601))),
        summarise(write_raw(tmp_path / "3", (1_000,), kind="saturated")),
    ]


def printed(header: Header, finished: Sequence[Result]) -> str:
    out = io.StringIO()
    print_report(Console(file=out, width=100), header, finished, compared(header, finished))
    return out.getvalue()


def test_round_trip(tmp_path: Path, header: Header, finished: list[Result]) -> None:
    results.create(tmp_path, header)
    for result in finished:
        results.append(tmp_path, result)
    assert results.read(tmp_path) == (header, finished)
    with pytest.raises(FileExistsError):
        results.create(tmp_path, header)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda lines: [lines[0].replace(b'"version":3', b'"version":99'), *lines[1:]],
            "of version 99; this release reads version 3",
        ),
        (lambda lines: [lines[0].replace(b"streamlanes.results", b"else"), *lines[1:]], "line 1"),
        (lambda lines: [*lines, b'{"trial"', b""], "line 3"),
        (lambda _: [], "line 1"),
    ],
)
def test_files_that_are_something_else(
    tmp_path: Path, header: Header, finished: list[Result], change: object, message: str
) -> None:
    results.create(tmp_path, header)
    results.append(tmp_path, finished[0])
    path = tmp_path / results.FILE
    assert callable(change)
    path.write_bytes(b"\n".join(change(path.read_bytes().splitlines())))
    with pytest.raises(ResultsError, match=message):
        results.read(tmp_path)


def rows_of(text: str, lane: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.startswith(f" {lane} ")]


def test_terminal(header: Header, finished: list[Result]) -> None:
    text = printed(header, finished)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 100
    of_load, parts, between, saturated = rows_of(text, "sse")
    assert of_load == ["sse", "1", "0/0/0", "1.00", "1.00", "1.00", "1.00", "100%", "27.3", "3%"]
    assert parts == ["sse", "0.10", "0.10", "0.20", "0.20", "0.70", "0.70"]  # of two clients there is no p50
    assert "Not shown, for too few samples: connect p50, first event p50." in text
    assert between == ["sse", "1.00", "1.00", "0.00"]
    assert saturated == ["sse", "1", "0/0/0", "1,000", "30.0", "3%", "60.0", "6%"]
    assert "1/0/0" in text
    assert "REFUSED" in text
    assert "ws, load, round 1: 1 lost (raw/2)" in text
    assert "incomplete run: 3 of 4 trials" in text
    assert "preliminary, no verdict: 1 round of load and 1 round of saturated trials; 10 are needed" in text
    assert "requests without a token in the trace: 3 skipped" in text
    assert "-: too few" not in text


def test_tables_of_a_kind_say_what_their_columns_mean(header: Header, finished: list[Result]) -> None:
    load_table, parts, between, saturated = tables.tables(header, finished)
    assert between.title == "Between events"
    assert load_table.title == "Under load: 20 clients, each with its own stream of tokens"
    assert load_table.head[:3] == ("lane", "trials", "faults")
    assert any(
        note.startswith("p50 to max: event latency: from when an event was due, which is") for note in load_table.notes
    )
    assert "in time: within 100 ms of when an event was due." in load_table.notes
    assert "faults" not in parts.head
    assert any(note.startswith("lag p50 to lag p99: harness lag: from when") for note in parts.notes)
    assert saturated.title == "Saturated: 50,000 events of 128 bytes, read from a full log"
    assert "server\nµs/event" in saturated.head


def test_a_sweep_s_points_are_columns(header: Header, tmp_path: Path) -> None:
    header = replace(header, scenario=scenario(tmp_path, "lanes = ['sse']\n[broadcast]\nreaders = [2, 4]"))
    finished = [
        summarise(
            write_raw(tmp_path / str(n), (1_000,), kind="broadcast", readers=n, point={"readers": n, "rate": 2_000 / n})
        )
        for n in (4, 2)
    ]
    text = printed(header, finished)
    assert [row[:5] for row in rows_of(text, "sse")[:2]] == [
        ["sse", "2", "1,000", "1", "0/0/0"],
        ["sse", "4", "500", "1", "0/0/0"],
    ]
    assert "Broadcast: one stream to 2 / 4 readers, 2,000 deliveries a second" in text


def test_rows_beyond_the_scenario_s_lanes_follow_them(header: Header, tmp_path: Path) -> None:
    finished = [summarise(write_raw(tmp_path / lane, (30,), lane=lane)) for lane in ("sse~again", "sse", "ws")]
    table = tables.tables(header, finished)[0]
    assert [row[0] for row in table.rows] == ["sse", "ws", "sse~again"]


def test_terminal_of_80_columns(header: Header, finished: list[Result], tmp_path: Path) -> None:
    header = replace(header, scenario=replace(header.scenario, lanes=("sse", "ws", "ndjson")))
    slow = [
        summarise(write_raw(tmp_path / "4", (600, 500), lane="ndjson", server=(950, 0))),
        summarise(write_raw(tmp_path / "5", (600, 500), lane="ws", kind="saturated", server=(950, 0))),
    ]
    for size in (80, 100):
        out = io.StringIO()
        all_of_them = [*finished, *slow]
        print_report(Console(file=out, width=size), header, all_of_them, compared(header, all_of_them))
        text = out.getvalue()
        assert max(len(line.rstrip()) for line in text.splitlines()) <= size
        for word in (
            "µs/event",
            "queueing",
            "delivery",
            "connect",
            "REFUSED",
            "overloaded",
            "events/s",
            "0/0/0",
        ):
            assert word in text


def test_an_overloaded_lane_has_no_latency(header: Header, tmp_path: Path) -> None:
    header = replace(header, scenario=replace(header.scenario, lanes=("sse",)))
    calm = summarise(write_raw(tmp_path / "1", (1_000,), server=(600, 200)))
    busy = summarise(write_raw(tmp_path / "2", (1_000,), server=(600, 310), round_number=2))
    assert (calm.overloaded, busy.overloaded) == (False, True)
    text = printed(header, [calm, busy])
    (load,) = rows_of(text, "sse")  # and no row of its latency's parts
    assert load == ["sse", "2", "0/0/0", "600", "60%"]
    assert "overloaded, so without latency: sse server busy 91% of its busiest second" in text
    assert "waited for a CPU that other processes had: sse server 31%, engine 0% of the time" in text
    assert "-: too few" not in text


def test_a_lane_beside_an_overloaded_one_keeps_its_latency(header: Header, tmp_path: Path) -> None:
    calm = summarise(write_raw(tmp_path / "1", (1_000,)))
    busy = summarise(write_raw(tmp_path / "2", (1_000,), lane="ws", server=(950, 0)))
    text = printed(header, [calm, busy])
    assert rows_of(text, "sse")[0] == ["sse", "1", "0/0/0", *["1.00"] * 4, "100%", "30.0", "3%"]
    assert rows_of(text, "ws")[0] == ["ws", "1", "0/0/0", *["-"] * 5, "950", "95%"]
    assert "-: too few" not in text


def test_too_few_events(header: Header, tmp_path: Path) -> None:
    header = replace(header, scenario=scenario(tmp_path, overrides={"load.clients": 1}))
    few = summarise(write_raw(tmp_path / "1", (12,)))
    text = printed(header, [few])
    assert "Under load: 1 client," in text
    assert rows_of(text, "sse")[0][:5] == ["sse", "1", "0/0/0", "1.00", "100%"]  # the maximum takes one sample
    enough = summarise(write_raw(tmp_path / "2", (600, 500), lane="ws"))
    text = printed(header, [few, enough])
    assert rows_of(text, "sse")[0][:8] == ["sse", "1", "0/0/0", "-", "-", "-", "1.00", "100%"]
    assert "a percentile is printed if at least 10 lie beyond it (20 for p50, 100 for p90, 1,000 for p99)" in " ".join(
        text.split()
    )


def test_summary(tmp_path: Path, header: Header, finished: list[Result]) -> None:
    text = markdown(header, finished, compared(header, finished))
    assert "| sse | 1 | 0/0/0 | 1.00 | 1.00 | 1.00 | 1.00 | 100% | 27.3 | 3% |" in text
    assert "| ws | 1 | 1/0/0 REFUSED | - | - | - | - | - | - | - |" in text
    assert "## Refused, and so without figures\n\n- ws, load, round 1: 1 lost (raw/2)" in text
    assert header.command in text
    assert "incomplete run: 3 of 4 trials" in text
    whole = markdown(replace(header, trials=3), finished, compared(header, finished))
    assert "incomplete" not in whole


def test_caveats_have_numbers() -> None:
    used = Usage(cpu_ns=700_000_000, waited_ns=60_000_000, busiest=0.95)
    little = Usage(cpu_ns=250_000_000, waited_ns=240_000_000, busiest=0.9)
    second = 1_000_000_000
    (busy,) = caveats.engine_busy(used)
    assert "95%" in busy.detail
    assert not caveats.engine_busy(little)
    (limited,) = caveats.engine_limits(server=little, engine=used, window_ns=second)
    assert limited.detail == "engine busy 76%, server 49%"
    assert not caveats.engine_limits(server=used, engine=little, window_ns=second)
    (waited,) = caveats.disturbed(server=used, engine=little, window_ns=second)
    assert waited.detail == "server 6%, engine 24% of the time"
    assert not caveats.disturbed(server=used, engine=used, window_ns=second)
    assert not caveats.disturbed(server=NOTHING_USED, engine=NOTHING_USED, window_ns=second)
    assert not caveats.disturbed(server=used, engine=little, window_ns=0)
    (lag,) = caveats.harness_lag(2.1, 0.4)
    assert lag.detail == "p99 2.10 ms against a p50 latency of 0.40 ms"
    assert not caveats.harness_lag(None, 0.4)
    (late,) = caveats.send_lag(2.1, 0.4)
    assert late.detail == "p99 2.10 ms against a p50 round trip of 0.40 ms"
    assert not caveats.send_lag(0.3, 0.4)
    (late,) = caveats.start_lag(12_000_000, 0.4)
    assert late.detail == "by up to 12.0 ms"
    assert not caveats.start_lag(12_000_000, 14.0)
    assert not caveats.start_lag(9_000_000, None)
    (stolen,) = caveats.steal(0.02)
    assert "2.0%" in stolen.detail
    assert not caveats.steal(0.005)
    assert not caveats.steal(None)
    assert caveats.cpu(used, 400_000_000)
    assert caveats.cpu(NOTHING_USED, 600_000_000)
    assert not caveats.cpu(used, 600_000_000)
    (few,) = caveats.preliminary({"load": 10, "saturated": 1, "rtt": 0})
    assert few.detail == "1 round of saturated trials; 10 are needed"
    assert not caveats.preliminary({"load": 10, "saturated": 0})
    assert not caveats.congestion_control("cubic")
    assert caveats.congestion_control("bbr")[0].detail.startswith("bbr; not comparable")


def test_shares_are_never_rounded_up_to_all() -> None:
    assert [tables.percent_in_time(share) for share in (1, 0.99999, 0.5)] == ["100%", "99.9%", "50.0%"]


RTT = """
lanes = ["sse", "ws"]
[rtt]
clients = 1
messages = 600
"""


@pytest.fixture
def round_trips(header: Header, tmp_path: Path) -> Header:
    return replace(header, scenario=scenario(tmp_path, RTT))


def test_round_trips(round_trips: Header, tmp_path: Path) -> None:
    finished = [
        summarise(write_raw(tmp_path / "1", (600, 500), kind="rtt")),
        summarise(write_raw(tmp_path / "2", (600, 500), kind="rtt", lane="ws", offsets=range(2, 601))),
    ]
    text = printed(round_trips, finished)
    trips, parts = rows_of(text, "sse")
    assert trips == ["sse", "1", "0/0/0", "1.00", "1.00", "1.00", "1.00", "27.3", "3%"]
    assert parts == ["sse", "0.10", "0.10", "0.00", "0.10", "0.20", "0.20", "0.70", "0.70"]
    assert "ws, rtt, round 1: 1 lost (raw/2)" in text
    (refused,) = rows_of(text, "ws")
    assert refused == ["ws", "1", "1/0/0", *["-"] * 6]
    assert "1 client, each sending to an echo" in text
    assert "others POST each" in text  # how messages go up is said
    assert "preliminary, no verdict: 1 round of rtt trials; 10 are needed" in text
    assert "-: too few" not in text
    out = io.StringIO()
    print_report(Console(file=out, width=80), round_trips, finished, compared(round_trips, finished))
    assert max(len(line.rstrip()) for line in out.getvalue().splitlines()) <= 80
    summary = markdown(round_trips, finished, compared(round_trips, finished))
    assert "| sse | 1 | 0/0/0 | 1.00 | 1.00 | 1.00 | 1.00 | 27.3 | 3% |" in summary


def test_round_trips_without_samples_or_reserve(round_trips: Header, tmp_path: Path) -> None:
    few = summarise(write_raw(tmp_path / "1", (30,), kind="rtt"))
    many = summarise(write_raw(tmp_path / "2", (1_000,), kind="rtt", lane="ndjson"))
    busy = summarise(write_raw(tmp_path / "3", (1_000,), kind="rtt", lane="ws", server=(950, 0)))
    text = printed(round_trips, [few, many, busy])
    assert rows_of(text, "sse")[0] == ["sse", "1", "0/0/0", "1.00", "-", "-", "1.00", "1,000", "3%"]
    assert rows_of(text, "ws")[0] == ["ws", "1", "0/0/0", "-", "-", "-", "-", "950", "95%"]
    assert "-: too few samples" in text
    assert "overloaded, so without latency: ws" in text


def test_messages_that_the_engine_sent_late_are_told_of_the_lane(round_trips: Header, tmp_path: Path) -> None:
    """A trial has too few of them for a p99, the lane's trials together have enough."""
    late = [summarise(write_raw(tmp_path / str(n), (600,), kind="rtt", round_number=n)) for n in (1, 2)]
    of_lane = {**late[0].histograms, "rtt": Histogram([50_000] * 600).encode()}
    late = [replace(result, histograms=of_lane) for result in late]
    assert "messages sent late by the engine: sse p99 0.10 ms against a p50 round trip of 0.05 ms" in printed(
        round_trips, late
    )
    assert "sent late" not in printed(round_trips, late[:1])


def test_a_round_trip_trial_without_its_sends_is_refused(tmp_path: Path) -> None:
    folder = write_raw(tmp_path / "1", kind="rtt")
    (folder / "sends-0.bin.gz").unlink()
    result = summarise(folder)
    assert not result.figures
    assert not result.correctness.ok
