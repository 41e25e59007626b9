"""Latency over time: its heat map, whether a backlog grew, and what can't be known with two clocks."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamlanes.benchmarks.analysis.latency import HEAT_ROWS, backlog_grew, heat
from streamlanes.benchmarks.experiment.summarise import summarise
from streamlanes.benchmarks.kinds import Streams, discover
from tests.benchmarks.raw import MS, write_raw

DEADLINE_NS = 100 * MS
DUE = [n * 10 * MS for n in range(100)]


@pytest.mark.parametrize(
    ("latency_ms", "grew"),
    [
        ([1.0] * 100, False),
        ([float(n) for n in range(100)], False),  # later and later, but within the deadline
        ([3.0 * n for n in range(100)], True),
        ([300.0] * 100, False),  # merely slow
        ([300.0 - n for n in range(100)], False),  # getting better
        ([1.0] * 50 + [500.0] * 20 + [1.0] * 30, False),  # a stall that was made up for
        ([1.0] * 90 + [500.0] * 10, True),  # one that wasn't: half of the last fifth
        ([1.0] * 92 + [500.0] * 8, False),
        ([90.0] * 80 + [150.0] * 20, False),  # not twice as late
    ],
)
def test_whether_a_backlog_grew(latency_ms: list[float], grew: bool) -> None:
    assert backlog_grew(DUE, [round(value * MS) for value in latency_ms], DEADLINE_NS) is grew


def test_a_backlog_is_that_of_events_in_the_order_of_their_times() -> None:
    latency = [round(3.0 * n * MS) for n in range(100)]
    assert backlog_grew(DUE[::-1], latency[::-1], DEADLINE_NS)
    assert not backlog_grew(DUE[:1], [MS], DEADLINE_NS)


def test_an_overloaded_lane_by_its_backlog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its server isn't busy, and its times are a backlog all the same."""
    folder = write_raw(tmp_path / "trial", (600, 500))
    assert not summarise(folder).overloaded
    monkeypatch.setattr("streamlanes.benchmarks.analysis.latency.backlog_grew", lambda *_: True)
    result = summarise(folder)
    assert result.overloaded
    assert result.correctness.ok
    assert (result.histograms, result.samples) == ({}, {})
    assert {"server_us_per_event", "server_cpu", "engine_us_per_event", "engine_cpu"} == {*result.figures}
    assert [caveat.detail for caveat in result.caveats] == ["its backlog grew"]


def test_heat_counts_every_delivery_once() -> None:
    due = [7 * MS, 7 * MS, 47 * MS, 87 * MS]
    found = heat(due, [round(0.001 * MS), 1 * MS, 2 * MS, 60_000 * MS])
    assert len(found.counts) == HEAT_ROWS == len(found.seconds) - 1
    assert all(len(row) == len(found.milliseconds) - 1 for row in found.counts)
    cells = {(r, c): count for r, row in enumerate(found.counts) for c, count in enumerate(row) if count}
    one_ms = found.milliseconds.index(pytest.approx(1.0))
    assert cells == {
        (0, 0): 1,  # faster than the first edge
        (0, one_ms): 1,
        (20, one_ms + 2): 1,
        (39, len(found.milliseconds) - 2): 1,  # slower than the last
    }
    assert found.milliseconds[one_ms + 2] <= 2 < found.milliseconds[one_ms + 3]
    assert found.seconds[0] == 0
    assert found.seconds[-1] == pytest.approx(0.08)


def test_heat_of_one_event() -> None:
    assert sum(map(sum, heat([5], [MS]).counts)) == 1


def test_a_trial_has_its_heat(tmp_path: Path) -> None:
    result = summarise(write_raw(tmp_path / "trial", (600, 500)))
    assert result.heat is not None
    assert sum(map(sum, result.heat.counts)) == 1_100
    assert [sum(row) > 0 for row in result.heat.counts] == [True] * HEAT_ROWS


def test_a_warm_up_is_in_no_figure(tmp_path: Path) -> None:
    """Up to 0.1 s after the first of 600 events, a millisecond apart: the first 101 of them, for each reader."""
    result = summarise(write_raw(tmp_path / "trial", (600,), kind="broadcast", readers=2, warm_up=0.1))
    assert result.events == 1_200  # all were judged
    assert result.samples["latency"] == 499
    assert result.heat is not None
    assert sum(map(sum, result.heat.counts)) == 998
    assert result.figures["goodput"] == pytest.approx(998)


@pytest.mark.parametrize("boot_ids", [("other",), ("boot", "other")])
@pytest.mark.parametrize("kind", ["load", "broadcast"])
def test_two_clocks_give_no_one_way_times(tmp_path: Path, kind: str, boot_ids: tuple[str, ...]) -> None:
    streams, readers = ((600,), 2) if discover()[kind].streams is Streams.ONE_FOR_ALL else ((600, 500), 1)
    result = summarise(write_raw(tmp_path / "trial", streams, kind=kind, boot_ids=boot_ids, readers=readers))
    assert result.correctness.ok
    assert not {"latency", "lag", "queueing", "delivery"} & {*result.histograms}
    assert not any(name.startswith(("latency", "delivery", "in_time", "goodput")) for name in result.figures)
    assert result.heat is None
    assert any(caveat.name.startswith("no one-way times") for caveat in result.caveats)
    assert result.figures["engine_us_per_event"] > 0
    # On another machine the server's process id is another process's.
    assert ("server_us_per_event" in result.figures) == ("boot" in boot_ids)
    if kind == "load":
        assert "first_event" in result.histograms  # the engine alone can tell


def test_round_trips_over_two_clocks_are_whole_and_without_their_parts(tmp_path: Path) -> None:
    result = summarise(write_raw(tmp_path / "trial", kind="rtt", boot_ids=("other",)))
    assert "rtt" in result.histograms
    assert not {"up", "down"} & result.histograms.keys()
