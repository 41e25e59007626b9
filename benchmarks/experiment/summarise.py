"""From a trial's raw results to its line in `results.jsonl`: gate, join, figures."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

from streamlanes.benchmarks import kinds
from streamlanes.benchmarks.analysis import caveats, recorded
from streamlanes.benchmarks.analysis.figures import Figures
from streamlanes.benchmarks.analysis.gate import Correctness, judge, total
from streamlanes.benchmarks.analysis.join import JoinError
from streamlanes.benchmarks.analysis.recorded import Recorded
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.kinds import Kind, Measures, Pace, Streams
from streamlanes.benchmarks.machine.usage import BUSY, Usage
from streamlanes.benchmarks.spec.records import Trial, read_trial

TIMES: Final = ("_ms", "in_time", "goodput")
"""Endings of the figures that an overloaded trial doesn't have."""


def summarise(folder: Path) -> Result:
    """Return the result of the trial in *folder*. A trial that isn't correct has its faults and no figures."""
    trial = read_trial(folder)
    if trial.error is not None:
        return _failed(folder, trial, trial.error)
    kind = kinds.discover()[trial.kind]
    raw = recorded.read(folder)
    correctness = _judge(kind, raw)
    try:
        found = kind.figures(raw) if correctness.ok else Figures()
    except (JoinError, FileNotFoundError) as error:
        return _failed(folder, trial, str(error))
    server, engine = raw.usages
    window_ns = raw.span_ns
    events = sum(reading.reader.events for reading in raw.readings)
    busy = kind.pace is Pace.SCHEDULE and (server.busiest or 0) > BUSY
    overloaded = found.backlog or busy
    if correctness.ok and kind.measures is Measures.LANES:
        found.numbers |= _costs(server, engine, events if found.deliveries is None else found.deliveries, window_ns)
    if overloaded:
        found.numbers = {name: value for name, value in found.numbers.items() if not name.endswith(TIMES)}
        found.histograms = {}
    doubts = [
        *found.caveats,
        *(caveats.overloaded(server) if kind.pace is Pace.SCHEDULE else []),
        *(caveats.engine_busy(engine) if kind.pace is not Pace.READER else []),
        *caveats.backlog(found.backlog),
        *caveats.disturbed(server, engine, window_ns),
        *caveats.steal(trial.steal),
        *caveats.tcp(trial.tcp),
        *caveats.cpu(server, window_ns),
    ]
    return _result(folder, trial)(
        readers=len(raw.readings),
        events=events,
        correctness=correctness,
        overloaded=overloaded,
        window_ns=window_ns,
        figures=found.numbers,
        histograms={name: histogram.encode() for name, histogram in found.histograms.items()},
        samples={name: found.samples[name] for name in found.histograms},
        heat=found.heat,
        timeline=found.timeline,
        caveats=tuple(doubts),
    )


def _judge(kind: Kind, raw: Recorded) -> Correctness:
    expected = raw.trial.expected
    if kind.streams is Streams.ONE_FOR_ALL:
        expected *= len(raw.readings)
    if len(raw.readings) != len(expected):
        return Correctness(failures=(f"{len(expected)} readers were planned, and {len(raw.readings)} started",))
    return total([judge(*reading, one) for reading, one in zip(raw.readings, expected, strict=True)])


def _costs(server: Usage, engine: Usage, events: int, window_ns: int) -> dict[str, float]:
    costs = {}
    for name, used in (("server", server), ("engine", engine)):
        if used.cpu_ns is not None and window_ns:
            costs[f"{name}_cpu"] = used.cpu_ns / window_ns
            if events:
                costs[f"{name}_us_per_event"] = used.cpu_ns / events / 1e3
    return costs


def _result(folder: Path, trial: Trial) -> partial[Result]:
    return partial(
        Result,
        trial=folder.name,
        kind=trial.kind,
        lane=trial.lane,
        of_lane=trial.of_lane,
        reader=trial.reader,
        role=trial.role,
        round=trial.round,
        point=trial.point,
    )


def _failed(folder: Path, trial: Trial, fault: str) -> Result:
    return _result(folder, trial)(
        readers=0,
        events=0,
        correctness=Correctness(failures=(fault,)),
        overloaded=False,
        window_ns=0,
        figures={},
        histograms={},
        samples={},
        heat=None,
        timeline=None,
        caveats=(),
    )
