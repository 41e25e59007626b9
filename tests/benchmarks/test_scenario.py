"""Scenarios: the built-in ones, overriding, and errors that name file, key and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.plan import conversations, sessions, settle_ns, warm_up
from benchmarks.scenario import PRODUCT_LANES, Load, Rtt, Scenario, ScenarioError, Setting, find, load, names
from benchmarks.schedule import schedule
from benchmarks.trace import Request, Trace
from producers.wire import LONG_POLL, NDJSON, SSE, WEBSOCKET

WIRES = {"sse": SSE, "ws": WEBSOCKET, "poll": LONG_POLL, "ndjson": NDJSON}


@pytest.mark.parametrize("name", names())
def test_built_in_scenarios_load(name: str) -> None:
    scenario = load(find(name))
    assert scenario.name == name
    assert scenario.lanes == PRODUCT_LANES


def test_overrides_win(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[load]\nrate = 5\nclients = 3\n")
    scenario = load(path, {"load.rate": 7.5, "lanes": ["ws"]})
    assert scenario.load == Load(rate=7.5, clients=3)
    assert scenario.lanes == ("ws",)
    assert find(str(path)) == path


@pytest.mark.parametrize(
    ("text", "overrides", "key", "words"),
    [
        ("[load]\nrate = -1", {}, "load.rate", ["greater than or equal to 0.1", "'-1'", "mine.toml"]),
        ("[load]\nrte = 1", {}, "load.rte", ["there are rounds, clients", "mine.toml"]),
        ("[lod]", {}, "lod", ["there are name, lanes, seed, load, saturated, rtt", "mine.toml"]),
        ("load = 3", {}, "load", ["mine.toml"]),
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


def test_unknown_scenario() -> None:
    with pytest.raises(ScenarioError, match="one of rtt, saturated, tokens"):
        find("nosuch")


def test_the_same_round_has_the_same_sessions() -> None:
    wanted = Load(clients=5, spread=2.0)
    first = sessions(wanted, seed=1, round_number=1)
    assert first == sessions(wanted, seed=1, round_number=1)
    assert first != sessions(wanted, seed=1, round_number=2)
    assert first != sessions(wanted, seed=2, round_number=1)
    times = [session.at_ns for session in first]
    assert times == sorted(times)
    assert times[-1] <= 2e9


def test_a_trace_brings_its_times_and_counts() -> None:
    trace = Trace(file="t", requests=(Request(0, 3), Request(5, 7)), skipped=0, out_of_order=0)
    planned = sessions(Load(clients=99, count=50), seed=1, round_number=1, trace=trace)
    assert [(session.at_ns, session.params["count"]) for session in planned] == [(0, 3), (5, 7)]
    assert warm_up(Load()).params["ttft"] == 0


def test_rounds_have_every_lane_in_a_seeded_order() -> None:
    scenario = load(find("tokens"), {"load.rounds": 4, "load.clients": 1, "saturated.events": 100})
    trials = schedule(scenario, WIRES)
    assert trials == schedule(scenario, WIRES)
    by_round = [[(trial.kind, trial.lane) for trial in trials if trial.round == number] for number in (1, 2, 3, 4)]
    assert [len(trials) for trials in by_round] == [8, 4, 4, 4]
    assert all({lane for _, lane in trials} == set(PRODUCT_LANES) for trials in by_round)
    assert len({tuple(trials) for trials in by_round[1:]}) > 1
    other = schedule(Scenario(name="x", load=scenario.load, saturated=scenario.saturated, seed=2), WIRES)
    assert [trial.name for trial in other] != [trial.name for trial in trials]


def test_the_same_round_has_the_same_messages_at_the_same_times() -> None:
    rtt = Rtt(clients=5, messages=10, rate=10.0, arrivals="poisson")
    first = conversations(rtt, seed=1, round_number=1)
    assert first == conversations(rtt, seed=1, round_number=1)
    assert first != conversations(rtt, seed=1, round_number=2)
    assert first != conversations(rtt, seed=2, round_number=1)
    begins = [session.schedule_ns - settle_ns(rtt) for session in first]
    assert all(0 <= begin_ns < 100_000_000 for begin_ns in begins)
    assert len(set(begins)) == 5
    assert max(session.at_ns for session in first) < settle_ns(rtt)
    seeds = {session.messages.params["seed"] for session in first if session.messages is not None}
    assert len(seeds) == 5


def test_round_trips_are_a_kind_of_trial() -> None:
    scenario = load(find("rtt"), {"rtt.rounds": 2, "rtt.messages": 20, "rtt.rate": 10})
    trials = schedule(scenario, WIRES)
    assert [trial.kind for trial in trials] == ["rtt"] * 8
    assert all(1.9 < trial.duration() - trial.settle < 2.0 for trial in trials)
