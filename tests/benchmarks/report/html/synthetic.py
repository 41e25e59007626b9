"""A run that never was: ten rounds of six lanes, and one more against itself, with figures such as real ones have."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping

from streamlanes.benchmarks.analysis.caveats import Caveat
from streamlanes.benchmarks.analysis.figures import Heat, Timeline
from streamlanes.benchmarks.analysis.gate import Correctness
from streamlanes.benchmarks.analysis.histogram import Histogram
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment.results import Header
from streamlanes.benchmarks.experiment.scenario import Scenario
from streamlanes.benchmarks.machine.environment import environment
from streamlanes.benchmarks.machine.processes import placement
from tests.benchmarks.rows import of_lane, read_by, role

LANES = ("sse", "ws", "poll", "ndjson", "sse-usual", "poll-single")
TWICE = "sse~again"
ROUNDS = 10
LOADS = (500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0, 16_000.0)

MEDIAN_MS = {"sse": 0.62, "ws": 0.55, "poll": 0.91, "ndjson": 0.61, "sse-usual": 0.97, "poll-single": 1.42}
TAIL = {"sse": 0.35, "ws": 0.34, "poll": 0.48, "ndjson": 0.35, "sse-usual": 0.55, "poll-single": 0.62}
CPU_US = {"sse": 21.0, "ws": 17.5, "poll": 44.0, "ndjson": 20.6, "sse-usual": 35.0, "poll-single": 96.0}
LIMIT = {"sse": 9_000, "ws": 12_000, "poll": 5_000, "ndjson": 9_000, "sse-usual": 5_000, "poll-single": 1_500}


def header() -> Header:
    return Header(
        started="2026-01-01T09:30:00+00:00",
        command="streamlanes compare telemetry --rounds 10 --seed 1 --lanes sse,ws,poll,ndjson,sse-usual,poll-single",
        scenario=Scenario(name="telemetry", lanes=LANES, parts={"load": {"rounds": ROUNDS, "deadline": 0.005}}),
        trials=610,
        environment=environment(placement()),
    )


def results() -> list[Result]:
    """All trials: under load, a sweep, idle readers, recovery; one refused, and poll-single overloaded at the top."""
    rng = random.Random(1)
    found: list[Result] = []
    for number in range(1, ROUNDS + 1):
        mood = rng.gauss(0, 0.04)
        found += [_load(rng, lane, number, mood) for lane in (*LANES, TWICE)]
        for lane in LANES:
            found += _capacity(rng, lane, number, mood)
            found.append(_idle(rng, lane, number))
            found.append(_recovery(rng, lane, number))
    return found


def result(kind: str, lane: str, number: int, **changes: object) -> Result:
    """One trial, without figures unless *changes* has some."""
    values: dict[str, object] = {
        "trial": f"{kind}-{number:02}-{lane}", "kind": kind, "lane": lane, "of_lane": of_lane(lane),
        "reader": read_by(lane),
        "role": role(lane), "round": number, "point": {}, "readers": 20,
        "events": 20_000, "correctness": Correctness(), "overloaded": False, "window_ns": 10_000_000_000, "figures": {},
        "histograms": {}, "samples": {}, "heat": None, "timeline": None, "caveats": (),
    }  # fmt: skip
    return Result(**(values | changes))  # type: ignore[arg-type]  # a test's short form


def _load(rng: random.Random, lane: str, number: int, mood: float) -> Result:
    name = of_lane(lane)
    if name == "poll-single" and number == 7:
        return result("load", lane, number, correctness=Correctness(lost=12), events=19_988)
    middle = MEDIAN_MS[name] * math.exp(mood + rng.gauss(0, 0.02))
    times = [middle * math.exp(abs(rng.gauss(0, TAIL[name])) - 0.3) for _ in range(4_000)]
    times += [middle * rng.uniform(3, 14) for _ in range(40)]
    rng.shuffle(times)
    begins = sorted(rng.uniform(0, 10) for _ in times)
    if name == "sse-usual":  # a collection of garbage, say
        times = [time + (3 - 20 * (at - 4)) * (4 <= at < 4.15) for at, time in zip(begins, times, strict=True)]
    histogram = Histogram(int(time * 1e6) for time in times)
    ordered = sorted(times)
    figures = {f"latency_p{at}_ms": ordered[int(len(ordered) * at / 100)] for at in (50, 90, 99)}
    cpu = CPU_US[name] * math.exp(mood + rng.gauss(0, 0.015))
    late = sum(time > 5 for time in times) / len(times)
    return result(
        "load", lane, number,
        figures=figures | {
            "latency_max_ms": ordered[-1], "goodput": 2_000 * (1 - late), "server_us_per_event": cpu,
            "first_event_p50_ms": middle * 2.4,
            "bytes_down_per_event": 168 + 60 * ("poll" in name) - 40 * (name == "ws"),
            "bytes_up_per_event": 180.0 if name == "poll-single" else 31.0 if name == "poll" else 0.4,
        },
        histograms={"latency": histogram.encode()}, samples={"latency": len(times)},
        heat=_heat(begins, times), point={},
        caveats=(Caveat(name="harness lag", detail="p99 0.71 ms against a p50 latency of 0.62 ms", size=1.1),),
    )  # fmt: skip


def _heat(begins: list[float], times: list[float]) -> Heat:
    milliseconds = tuple(10 ** (-1 + step / 8) for step in range(25))
    counts = [[0] * 24 for _ in range(40)]
    for at, time in zip(begins, times, strict=True):
        row = max(0, min(23, int((math.log10(time) + 1) * 8)))
        counts[int(at * 4)][row] += 1
    return Heat(
        seconds=tuple(step / 4 for step in range(41)),
        milliseconds=milliseconds,
        counts=tuple(tuple(row) for row in counts),
    )


def _capacity(rng: random.Random, lane: str, number: int, mood: float) -> Iterator[Result]:
    rate = LIMIT[lane] * math.exp(mood + rng.gauss(0, 0.02))
    confirmed = {"sustainable_rate": rate, "server_us_per_event": CPU_US[lane] * 0.8}
    yield result("capacity", lane, number, figures=confirmed)
    for load in LOADS:
        point = {"offered": load}
        if load > LIMIT[lane]:
            yield result("capacity", lane, number, point=point, overloaded=True)
            continue
        full = load / LIMIT[lane]
        p99 = MEDIAN_MS[lane] * 3.2 * (1 + full / max(0.03, 1 - full)) * math.exp(mood + rng.gauss(0, 0.05))
        cpu = CPU_US[lane] * (0.8 + 0.2 / math.sqrt(load / 500)) * math.exp(rng.gauss(0, 0.02))
        figures: Mapping[str, float] = {"latency_p50_ms": p99 / 3, "latency_p99_ms": p99, "server_us_per_event": cpu}
        yield result("capacity", lane, number, point=point, figures=figures)


def _idle(rng: random.Random, lane: str, number: int) -> Result:
    size = {"ws": 31_000, "poll": 19_000, "poll-single": 19_300, "sse-usual": 34_000}.get(lane, 24_000)
    return result(
        "idle", lane, number, readers=1_000, events=0,
        figures={
            "idle_bytes_per_reader": size * math.exp(rng.gauss(0, 0.02)),
            "idle_slab_bytes_per_reader": 9_800 * math.exp(rng.gauss(0, 0.01)),
            "wakeups_per_reader": 0.34 if "poll" in lane else 0.067,
        },
    )  # fmt: skip


def _recovery(rng: random.Random, lane: str, number: int) -> Result:
    back = {"poll": 1.1, "poll-single": 1.2}.get(lane, 0.6) * math.exp(rng.gauss(0, 0.1))
    faults = ((5.0, "cut"), (13.0, "half-open"), (21.0, "server killed"), (30.0, "cut"))
    delivered, reconnects = [], []
    backlog = 0.0
    for step in range(160):
        at = step * 0.25
        down = any(when <= at < when + back * (3 if "killed" in what else 1) for when, what in faults)
        backlog += 50
        sent = 0.0 if down else min(backlog, 400)
        backlog -= sent
        delivered.append(int(sent))
        up = any(0 <= at - when - back * 0.6 < 0.5 for when, what in faults)
        reconnects.append(rng.randint(3, 9) if up else 0)
    return result(
        "recovery", lane, number, events=sum(delivered),
        figures={"recovery_p50_ms": back * 1e3, "recovery_max_ms": back * 3e3, "resent": 40 * ("poll" in lane) + 3},
        timeline=Timeline(
            seconds=0.25, delivered=tuple(delivered), reconnects=tuple(reconnects), faults=faults
        ),
    )  # fmt: skip
