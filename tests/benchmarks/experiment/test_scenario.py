"""Scenarios: the built-in ones, overriding, and errors that name file, key and what is allowed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from streamlanes.benchmarks import kinds
from streamlanes.benchmarks.experiment.lineup import choose, contestants_of
from streamlanes.benchmarks.experiment.scenario import (
    PRODUCT_LANES,
    Scenario,
    ScenarioError,
    Setting,
    find,
    load,
    names,
)
from streamlanes.benchmarks.experiment.schedule import schedule
from streamlanes.benchmarks.kinds.broadcast import Broadcast
from streamlanes.benchmarks.kinds.load import Load
from streamlanes.benchmarks.kinds.rtt import Rtt
from streamlanes.benchmarks.spec.role import Role
from streamlanes.benchmarks.spec.tasks import Audience, Rereading, Sessions
from streamlanes.benchmarks.spec.trace import Trace, TracedRequest
from streamlanes.benchmarks.trial.contestants import Contestant
from streamlanes.benchmarks.trial.trial import TrialPlan
from streamlanes.producers.wire import LONG_POLL, NDJSON, SSE, WEBSOCKET

WIRES = {"sse": SSE, "ws": WEBSOCKET, "poll": LONG_POLL, "ndjson": NDJSON}


def contestants(*, twice: bool = False) -> list[Contestant]:
    lanes = list(contestants_of(WIRES).values())
    return [*lanes, lanes[0].again()] if twice else [*lanes]


@pytest.mark.parametrize("name", names())
def test_built_in_scenarios_load(name: str) -> None:
    scenario = load(find(name))
    assert scenario.name == name
    assert scenario.lanes[: len(PRODUCT_LANES)] == PRODUCT_LANES
    assert set(scenario.lanes) <= {*PRODUCT_LANES, "floor"}
    assert scenario.about
    assert scenario.rounds() >= 1


def test_overrides_win(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[load]\nrate = 5\nclients = 3\n")
    scenario = load(path, {"load.rate": 7.5, "lanes": ["ws"]})
    assert scenario.part("load") == Load(rate=7.5, clients=3)
    assert scenario.parts["load"]["spread"] == Load().spread  # what isn't said is there too
    assert scenario.lanes == ("ws",)
    assert find(str(path)) == path


@pytest.mark.parametrize(
    ("text", "overrides", "key", "words"),
    [
        ("[load]\nrate = -1", {}, "load.rate", ["greater than or equal to 0.1", "'-1'", "mine.toml"]),
        ("[load]\nrte = 1", {}, "load.rte", ["there are rounds, clients", "mine.toml"]),
        ("[lod]", {}, "lod", ["there are name, about, lanes, seed, slo, [broadcast]", "[rtt]", "mine.toml"]),
        ("parts = 3\n[load]", {}, "parts", ["no such setting", "mine.toml"]),
        ("load = 3", {}, "load", ["mine.toml"]),
        ("[broadcast]\nseconds = 1\nturn = 2", {}, "broadcast", ["turn is 2 s", "in 1 s", "mine.toml"]),
        ("lanes = []\n[load]", {}, "lanes", ["at least 1", "mine.toml"]),
        ("", {}, "", ["nothing to run", "mine.toml"]),
        ("a = ", {}, "", ["not TOML", "mine.toml"]),
        ("[load]", {"load.clients": 0}, "load.clients", ["greater than or equal to 1", "'0'"]),
        ("[load]", {"load.text": ""}, "load.text", ["at least 1 character"]),
        ("[rtt]\nsize = 31", {}, "rtt.size", ["greater than or equal to 32", "'31'", "mine.toml"]),
        ("[rtt]\narrivals = 'at-once'", {}, "rtt.arrivals", ["'constant' or 'poisson'", "'at-once'"]),
        ("[rtt]\nrte = 1", {}, "rtt.rte", ["there are rounds, clients, messages, rate, arrivals, size"]),
        ("[rtt]", {"rtt.clients": 0}, "rtt.clients", ["greater than or equal to 1", "'0'"]),
        ("[load]", {"rtt.rate": 3}, "rtt.rate", ["no [rtt]"]),
        ("[saturated]", {"load.clients": 3}, "load.clients", ["no [load]"]),
        ("[saturated]\nevents = 99", {}, "saturated.events", ["greater than or equal to 100", "'99'", "mine.toml"]),
        ("[saturated]\nrte = 1", {}, "saturated.rte", ["there are rounds, events, size, seconds", "mine.toml"]),
        ("[broadcast]\nreaders = []", {}, "broadcast.readers", ["at least 1", "mine.toml"]),
        ("[broadcast]\nreaders = [2, 0]", {}, "broadcast.readers.1", ["greater than or equal to 1", "'0'"]),
        ("[broadcast]", {"broadcast.readers": [0]}, "broadcast.readers", ["greater than or equal to 1", "'0'"]),
        ("[broadcast]\narrivals = 'at-once'", {}, "broadcast.arrivals", ["'constant' or 'poisson'", "'at-once'"]),
        ("[broadcast]\nseconds = nan", {}, "broadcast.seconds", ["finite", "'nan'", "mine.toml"]),
        ("[load]\n[slo]\nlatency = 1", {}, "slo.latency", ["no such metric", "latency_p99_ms", "mine.toml"]),
        ("[load]\n[slo]\nlatency_p99_ms = 'x'", {}, "slo.latency_p99_ms", ["number", "'x'", "mine.toml"]),
    ],
)
def test_faults_are_named(tmp_path: Path, text: str, overrides: dict[str, Setting], key: str, words: list[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as raised:
        load(path, overrides)
    assert raised.value.key == key
    for word in words:
        assert word in str(raised.value)


@pytest.mark.parametrize("name", sorted(kinds.discover()))
def test_every_kind_is_a_table_whose_faults_are_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"[{name}]\n")
    settings = load(path).parts[name]
    assert list(load(path).parts) == [name]
    for text, key, words in (
        (f"[{name}]\nnosuch = 1", f"{name}.nosuch", ["no such setting", f"there are {', '.join(settings)}"]),
        (f"[{name}]\nrounds = 0", f"{name}.rounds", ["greater than or equal to 1", "'0'"]),
        (f"{name} = 3", name, ["'3'"]),
    ):
        path.write_text(text)
        with pytest.raises(ScenarioError) as raised:
            load(path)
        assert raised.value.key == key
        for word in (key, *words, "mine.toml"):
            assert word in str(raised.value)


def test_parts_are_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    for order in (["load", "saturated", "rtt", "broadcast"], ["rtt", "broadcast", "saturated", "load"]):
        path.write_text("".join(f"[{kind}]\n" for kind in order))
        assert list(load(path).parts) == order


def test_unknown_scenario() -> None:
    with pytest.raises(ScenarioError, match=f"one of {', '.join(names())}"):
        find("nosuch")


def test_the_same_round_has_the_same_sessions() -> None:
    wanted = Load(clients=5, spread=2.0)
    first = wanted.sessions(seed=1, round_number=1)
    assert first == wanted.sessions(seed=1, round_number=1)
    assert first != wanted.sessions(seed=1, round_number=2)
    assert first != wanted.sessions(seed=2, round_number=1)
    times = [session.at_ns for session in first]
    assert times == sorted(times)
    assert times[-1] <= 2e9


def test_a_trace_brings_its_times_and_counts() -> None:
    trace = Trace(file="t", requests=(TracedRequest(0, 3), TracedRequest(5, 7)), skipped=0, out_of_order=0)
    (workload,) = Load(clients=99, count=50).traced(trace, seed=1, round_number=1)
    assert isinstance(workload.task, Sessions)
    planned = workload.task.sessions
    assert [(session.at_ns, session.params["count"]) for session in planned] == [(0, 3), (5, 7)]
    assert [expected.events for expected in workload.expected] == [3, 7]
    assert workload.task.warm_up is not None
    assert workload.task.warm_up.params["ttft"] == 0


def one_by_one(scenario: Scenario, *, twice: bool = False) -> list[TrialPlan]:
    """Return the trials of a scenario in which none are run side by side."""
    return [trial for (trial,) in schedule(scenario, contestants(twice=twice))]


def test_rounds_have_every_lane_in_a_seeded_order() -> None:
    scenario = load(find("tokens"), {"load.rounds": 4, "load.clients": 1, "saturated.events": 100})
    trials = one_by_one(scenario)
    assert trials == one_by_one(scenario)
    by_round = [
        [(trial.workload.kind, trial.contestant.name) for trial in trials if trial.round == number]
        for number in (1, 2, 3, 4)
    ]
    assert [len(trials) for trials in by_round] == [8, 4, 4, 4]
    assert all({lane for _, lane in trials} == set(PRODUCT_LANES) for trials in by_round)
    assert len({tuple(trials) for trials in by_round[1:]}) > 1
    other = one_by_one(dataclasses.replace(scenario, seed=2))
    assert [trial.name for trial in other] != [trial.name for trial in trials]


def test_a_part_with_fewer_rounds_takes_part_in_the_first_ones() -> None:
    scenario = load(
        find("tokens"), {"load.rounds": 1, "load.clients": 1, "saturated.rounds": 2, "saturated.events": 100}
    )
    assert scenario.rounds() == 2
    trials = one_by_one(scenario)
    assert {(trial.round, trial.workload.kind) for trial in trials} == {(1, "load"), (1, "saturated"), (2, "saturated")}


def test_all_lanes_of_a_round_have_the_same_work() -> None:
    trials = one_by_one(load(find("tokens"), {"load.rounds": 2, "saturated.events": 100}), twice=True)
    for number in (1, 2):
        of_round = [trial for trial in trials if (trial.round, trial.workload.kind) == (number, "load")]
        assert {trial.contestant.name for trial in of_round} == {*PRODUCT_LANES, "sse~again"}
        assert all(trial.workload == of_round[0].workload for trial in of_round)


def test_the_first_lane_is_entered_twice() -> None:
    """What the two differ in is chance."""
    tokens = load(find("tokens"), {"load.rounds": 2})
    *once, again = choose(tokens, None, None, None, with_clients=False).contestants
    assert [one.name for one in once] == [*PRODUCT_LANES]
    assert (again.name, again.lane, again.reader, again.role) == ("sse~again", "sse", SSE, Role.AGAIN)
    for lanes, twice in ((("ws", "sse"), "ws"), (("floor", "poll+httpx", "ws"), "ws")):
        assert choose(tokens, lanes, None, None, with_clients=False).contestants[-1].name == f"{twice}~again"
    short = load(find("tokens"), {"load.rounds": 1})
    assert [one.name for one in choose(short, None, None, None, with_clients=False).contestants] == [*PRODUCT_LANES]


def test_trials_have_folders_of_their_own() -> None:
    scenario = load(find("telemetry"), {"broadcast.rounds": 2, "broadcast.readers": [2, 5], "broadcast.seconds": 0.5})
    names_ = [trial.name for together in schedule(scenario, contestants(twice=True)) for trial in together]
    assert len(set(names_)) == len(names_) == 2 * 2 * 5 + 5  # and each calibrated once


def test_the_same_round_has_the_same_messages_at_the_same_times() -> None:
    rtt = Rtt(clients=5, messages=10, rate=10.0, arrivals="poisson")
    first = rtt.conversations(seed=1, round_number=1)
    assert first == rtt.conversations(seed=1, round_number=1)
    assert first != rtt.conversations(seed=1, round_number=2)
    assert first != rtt.conversations(seed=2, round_number=1)
    (workload,) = rtt.workloads(seed=1, round_number=1)
    assert isinstance(workload.task, Sessions)
    assert workload.task.sessions == tuple(first)
    settle_ns = round(workload.task.settle * 1e9)
    begins = [session.schedule_ns - settle_ns for session in first]
    assert all(0 <= begin_ns < 100_000_000 for begin_ns in begins)
    assert len(set(begins)) == 5
    assert max(session.at_ns for session in first) < settle_ns
    seeds = {session.messages.params["seed"] for session in first if session.messages is not None}
    assert len(seeds) == 5


def test_round_trips_are_a_kind_of_trial() -> None:
    scenario = load(find("rtt"), {"rtt.rounds": 2, "rtt.messages": 20, "rtt.rate": 10})
    trials = one_by_one(scenario)
    assert [trial.workload.kind for trial in trials] == ["rtt"] * 8
    for trial in trials:
        assert isinstance(trial.workload.task, Sessions)
        assert 1.9 < trial.workload.duration - trial.workload.task.settle < 2.0


def test_saturated_trials_read_a_stream_that_the_server_begins_with() -> None:
    (trial, *_) = one_by_one(load(find("saturated"), {"saturated.events": 100, "saturated.size": 64}))
    assert trial.workload.task == Rereading(stream="prefilled", events=100, seconds=1.0)
    assert "prefilled=ticker,arrivals=at-once,count=100,size=64,seed=1" in trial.workload.options
    assert [one.events for one in trial.workload.expected] == [100]


def test_an_audience_s_deliveries_stay_as_they_are_whoever_reads() -> None:
    part = Broadcast(readers=(2, 5), deliveries=100, seconds=2, warm_up=0.5)
    two, five = part.workloads(seed=1, round_number=1)
    assert (two.point, five.point) == ({"readers": 2, "rate": 50}, {"readers": 5, "rate": 20})
    assert isinstance(two.task, Audience)
    assert isinstance(five.task, Audience)
    assert (two.task.readers, five.task.readers) == (2, 5)
    assert [one.events for workload in (two, five) for one in workload.expected] == [125, 50]  # one stream each
    assert two.warm_up == 0.5
    for workload in (two, five):  # all readers are there before the first event
        assert isinstance(workload.task, Audience)
        assert workload.expected[0].first_ns / 1e9 > workload.task.spread + 0.4
        assert workload.duration == pytest.approx(workload.expected[0].first_ns / 1e9 + 2.5, abs=0.06)
    (alone,) = Broadcast(readers=(2,)).workloads(seed=1, round_number=1)
    assert not alone.point  # nothing is swept
    assert two == part.workloads(seed=1, round_number=1)[0]
    assert two != part.workloads(seed=1, round_number=2)[0]


def test_the_workloads_of_a_round_come_in_a_seeded_order_too() -> None:
    """Or the first point of a sweep would always meet the machine as the round before left it."""
    overrides: dict[str, Setting] = {"broadcast.rounds": 6, "broadcast.readers": [2, 3, 4, 5], "broadcast.turn": 0}
    scenario = load(find("telemetry"), {**overrides, "lanes": ["sse"]})
    lanes = contestants()[:1]
    orders = []
    for number in range(1, 7):
        of_round = [plan for (plan,) in schedule(scenario, lanes) if plan.round == number]
        orders.append(tuple(plan.workload.point["readers"] for plan in of_round if plan.workload.point))
    assert {tuple(sorted(order)) for order in orders} == {(2, 3, 4, 5)}
    assert len(set(orders)) > 1
