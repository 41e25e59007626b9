"""Trials of a round that take turns: who has events when, and figures by the trial's own time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlanes.benchmarks.analysis import recorded
from streamlanes.benchmarks.analysis.latency import HEAT_ROWS
from streamlanes.benchmarks.experiment.plan import seconds
from streamlanes.benchmarks.experiment.scenario import find, load
from streamlanes.benchmarks.experiment.schedule import schedule
from streamlanes.benchmarks.experiment.summarise import summarise
from streamlanes.benchmarks.kinds.broadcast import Broadcast
from streamlanes.benchmarks.machine.processes import placement
from streamlanes.benchmarks.spec.interleaving import GAP, OwnTime, Turns
from streamlanes.benchmarks.spec.records import write_trial
from streamlanes.benchmarks.spec.tasks import Audience
from streamlanes.benchmarks.spec.workload import Workload, in_turn
from streamlanes.benchmarks.trial.contestants import Lane
from streamlanes.benchmarks.trial.shards import processes
from streamlanes.benchmarks.trial.trial import Assignment, Site, TrialPlan, run_together
from streamlanes.producers.pacing.journal import read_journal
from streamlanes.producers.wire import LONG_POLL, SSE, WEBSOCKET, Wire
from tests.benchmarks.raw import MS, write_raw

LANES: dict[str, Wire] = {"sse": SSE, "ws": WEBSOCKET, "poll": LONG_POLL}
CONTESTANTS = [Lane(name=name, lane=name, reader=wire) for name, wire in LANES.items()]


def workload(turn: float = 0.1, rate: float = 100.0, warm_up: float = 0.2) -> Workload:
    part = Broadcast(readers=(2,), deliveries=2 * rate, seconds=0.6, warm_up=warm_up, turn=turn, deadline=5)
    (planned,) = part.workloads(seed=1, round_number=1)
    return planned


def plans(count: int) -> list[TrialPlan]:
    return [
        TrialPlan(contestant=contestant, workload=in_turn(workload(), place, count), round=1, seed=1)
        for place, contestant in enumerate(CONTESTANTS[:count])
    ]


@given(st.integers(0, 5_000), st.integers(1, 900), st.integers(0, 900), st.integers(0, 5_000))
def test_own_time_stands_still_in_pauses_and_only_there(begin: int, turn: int, pause: int, at: int) -> None:
    own = OwnTime(begin, turn, pause)
    passed = own.at(at + 1) - own.at(at)
    in_turn_now = pause == 0 or (at - begin) % (turn + pause) < turn
    assert passed == in_turn_now


@pytest.mark.parametrize(("own", "real"), [(0.0, 0.0), (0.1, 0.1), (0.25, 1.25), (0.3, 1.3), (0.5, 2.5)])
def test_when_so_much_of_its_own_time_is_over(own: float, real: float) -> None:
    assert Turns(turn=0.25, pause=1.0, after=0.0).real(own) == real


def test_a_round_of_a_workload_with_turns_is_one_entry() -> None:
    scenario = load(find("telemetry"), {"broadcast.rounds": 2, "broadcast.seconds": 0.5})
    nobody = CONTESTANTS[0].alone()
    trials = schedule(scenario, [*CONTESTANTS, nobody])
    together = [entry for entry in trials if entry[0].workload.kind == "broadcast"]
    assert [len(entry) for entry in together] == [4, 4]
    assert [len(entry) for entry in trials if entry not in together] == [1] * 3  # each lane is calibrated by itself
    assert max(map(len, trials)) == 4
    for entry in together:
        assert {trial.contestant.name for trial in entry} == {*LANES, "no readers"}
        (unread,) = (trial.workload.task for trial in entry if trial.contestant == nobody)
        assert isinstance(unread, Audience)
        assert unread.readers == 0
    orders = {tuple(trial.contestant.name for trial in entry) for entry in together}
    assert len(orders) == 2
    assert [len(entry) for entry in schedule(scenario, [*CONTESTANTS, nobody], side_by_side=False)] == [1] * 11


def test_side_by_side_takes_as_long_as_one_after_the_other() -> None:
    scenario = load(find("telemetry"), {"broadcast.rounds": 1, "broadcast.seconds": 5})
    turns, alone_ = (schedule(scenario, CONTESTANTS, side_by_side=together) for together in (True, False))
    assert seconds(turns) == pytest.approx(seconds(alone_), rel=0.2)


def test_all_see_the_same_events_none_at_the_same_time() -> None:
    turns = [plan.workload for plan in plans(3)]
    assert len({(one.expected[0].events, one.expected[0].checksum) for one in turns}) == 1
    assert [one.turns for one in turns] == [Turns.at(place, 3, 0.1) for place in range(3)]
    begins = [one.opens - one.warm_up for one in turns]
    assert [later - begins[0] for later in begins] == pytest.approx([0, 0.1 + GAP, 0.2 + 2 * GAP])
    assert turns[0].warm_up == pytest.approx(0.2 + 2 * (0.2 + 3 * GAP))


def test_figures_are_of_the_trial_s_own_time(tmp_path: Path) -> None:
    """`write_raw` has a window of a second, in which the server works for 240 ms."""
    folder = write_raw(tmp_path / "trial", (900,), kind="broadcast", server=(240, 0))
    whole, result = recorded.read(folder), summarise(folder)
    turns = Turns(turn=0.05, pause=0.15, after=0)
    write_trial(folder, replace(whole.trial, turns=turns))
    in_turns, result_in_turns = recorded.read(folder), summarise(folder)
    assert (whole.span_ns, in_turns.span_ns) == (1_000 * MS, 250 * MS)
    assert in_turns.window_ns == whole.window_ns
    assert result.figures["server_cpu"] == pytest.approx(0.24)
    assert result_in_turns.figures["server_cpu"] == pytest.approx(0.96)
    for same in ("server_us_per_event", "latency_p50_ms", "in_time"):
        assert result_in_turns.figures[same] == result.figures[same]
    assert result_in_turns.figures["goodput"] == pytest.approx(4 * result.figures["goodput"])


def run(trials: Sequence[TrialPlan], folder: Path) -> None:
    where = placement()
    with ExitStack() as stack:
        cpus = None if where.engine is None else [where.engine]
        sites = [Site(where, stack.enter_context(processes(1, cpus))) for _ in trials]
        run_together(
            [Assignment(one, folder / one.name, site) for one, site in zip(trials, sites, strict=True)], ignore
        )


def ignore(seconds: float) -> None:
    """Take no interest in the progress."""


def test_lanes_that_take_turns(tmp_path: Path) -> None:
    planned = plans(3)
    run(planned, tmp_path)
    dues: list[tuple[int, str]] = []
    for plan in planned:
        folder = tmp_path / plan.name
        result = summarise(folder)
        assert result.correctness.ok, result.correctness.faults()
        assert not result.overloaded
        assert result.events == 2 * 80
        assert result.figures["goodput"] == pytest.approx(200, rel=0.3)  # of its own time: a quarter of it otherwise
        assert 0.4e9 < result.window_ns < 0.8e9
        assert result.figures["interarrival_p50_ms"] < 12
        assert result.heat is not None
        assert len(result.heat.counts) == HEAT_ROWS
        assert sum(not sum(row) for row in result.heat.counts) < HEAT_ROWS / 2  # pauses would leave most rows empty
        (journal,) = (folder / "journal").iterdir()
        dues += [(stamp.due, plan.contestant.name) for stamp in read_journal(journal.parent, journal.stem)]
    turns = [name for _, name in sorted(dues)]
    changes = sum(one != other for one, other in pairwise(turns))
    assert changes == 3 * 8 - 1  # eight turns each, and never two at a time


def test_one_that_fails_leaves_the_others_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = plans(3)
    broken = replace(second, workload=replace(second.workload, options=("--no-such-option",)))
    run([first, broken, third], tmp_path)
    ok, failed, also = (summarise(tmp_path / plan.name).correctness for plan in (first, broken, third))
    assert ok.ok
    assert also.ok
    assert "the server didn't start" in failed.faults()
