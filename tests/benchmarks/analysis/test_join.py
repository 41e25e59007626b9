"""The join of journal and record: known times give known latencies."""

from __future__ import annotations

import dataclasses
from array import array
from pathlib import Path

import pytest

from streamlanes.benchmarks.analysis import recorded
from streamlanes.benchmarks.analysis.join import JoinError, RoundTrips, Times, first_event_ns, join, join_echoes
from streamlanes.benchmarks.machine.clocks import UNKNOWN, ProcessTime
from streamlanes.benchmarks.spec.records import Column, Sample, Sends
from streamlanes.producers.pacing.journal import Stamp
from tests.benchmarks.raw import MS, reader, write_raw


def test_parts_add_up() -> None:
    stamps = [Stamp(due=100, woke=110, append=113), Stamp(due=200, woke=290, append=300)]
    times = Times()
    join(Column(array("q", [1, 2]), array("q", [120, 320])), stamps, times)
    assert list(times.due) == [100, 200]
    assert list(times.latency) == [20, 120]
    assert list(times.lag) == [10, 90]
    assert list(times.queueing) == [3, 10]
    assert list(times.delivery) == [7, 20]


def test_a_stall_is_charged_to_every_event_that_it_delayed() -> None:
    stamps = [Stamp(due=n * 10, woke=1_000, append=1_001) for n in range(1, 6)]
    times = Times()
    join(Column(array("q", range(1, 6)), array("q", [1_002] * 5)), stamps, times)
    assert list(times.latency) == [992, 982, 972, 962, 952]


def test_an_event_that_is_due_while_the_pump_is_awake_has_no_lag() -> None:
    times = Times()
    join(Column(array("q", [1]), array("q", [130])), [Stamp(due=105, woke=100, append=110)], times)
    assert (times.latency[0], times.lag[0], times.queueing[0], times.delivery[0]) == (25, 0, 5, 20)


def test_an_event_that_the_journal_lacks() -> None:
    with pytest.raises(JoinError, match="event 2 was received, but the journal has 1"):
        join(Column(array("q", [2]), array("q", [1])), [Stamp(1, 1, 1)], Times())


def test_time_to_first_event_is_without_the_connection() -> None:
    column = Column(array("q", [1, 2]), array("q", [9 * MS, 10 * MS]))
    assert first_event_ns(reader("e1", 2, request_ns=2 * MS), column) == 6 * MS


def test_an_event_of_the_warm_up_is_in_no_figure() -> None:
    stamps = [Stamp(due=n * 10, woke=n * 10, append=n * 10) for n in (1, 2, 3)]
    times = Times()
    join(Column(array("q", [1, 2, 3]), array("q", [11, 22, 33])), stamps, times, after=2)
    assert (list(times.due), list(times.latency)) == ([30], [3])


def test_clocks_must_be_the_same(tmp_path: Path) -> None:
    read = recorded.read(write_raw(tmp_path / "trial", boot_ids=("boot", "boot")))
    assert read.one_clock
    trial, (first, second) = read.trial, read.engines
    for other in (
        dataclasses.replace(read, trial=dataclasses.replace(trial, boot_id="b")),
        dataclasses.replace(read, trial=dataclasses.replace(trial, time_namespace="b")),
        dataclasses.replace(read, engines=[first, dataclasses.replace(second, boot_id="b")]),
        dataclasses.replace(read, engines=[first, dataclasses.replace(second, time_namespace="b")]),
    ):
        assert not other.one_clock


def test_the_window_is_that_of_the_shard_that_went_on_longest(tmp_path: Path) -> None:
    """They begin together; the server's CPU time is of the whole, whichever shard had the last session."""
    read = recorded.read(write_raw(tmp_path / "trial", (3, 3), boot_ids=("boot", "boot")))
    first, second = read.engines
    begin, end = second.samples
    later = Sample(2 * end.at_ns, ProcessTime(170 * MS, 0), end.engine)
    longer = dataclasses.replace(second, samples=(begin, end, later))
    for engines in ([first, longer], [longer, first]):
        trial = dataclasses.replace(read, engines=engines)
        assert trial.window_ns == (0, 2_000 * MS)
        server, engine = trial.usages
        assert server.cpu_ns == 100 * MS
        assert engine.cpu_ns == 120 * MS


def test_clocks_that_the_system_does_not_name_are_those_of_one_machine(tmp_path: Path) -> None:
    read = recorded.read(write_raw(tmp_path / "trial"))
    assert dataclasses.replace(read, trial=dataclasses.replace(read.trial, boot_id=UNKNOWN)).one_clock


def test_parts_of_a_round_trip_add_up() -> None:
    sends = Sends(array("q", [100, 200]), array("q", [100, 250]), array("q", [103, 252]))
    stamps = [Stamp(due=110, woke=110, append=112), Stamp(due=260, woke=260, append=263)]
    trips = RoundTrips()
    join_echoes(Column(array("q", [1, 2]), array("q", [120, 270])), sends, stamps, trips)
    assert list(trips.total) == [20, 70]  # the second was due while the first was being sent
    assert list(trips.held) == [0, 50]
    assert list(trips.send_lag) == [3, 2]
    assert list(trips.up) == [9, 11]
    assert list(trips.down) == [8, 7]


def test_an_echo_of_nothing() -> None:
    sends = Sends(array("q", [100]), array("q", [100]), array("q", [100]))
    with pytest.raises(JoinError, match="event 2 was received, but 1 were sent and 2 journaled"):
        join_echoes(Column(array("q", [2]), array("q", [1])), sends, [Stamp(1, 1, 1)] * 2, RoundTrips())
