"""From a trial's raw results to its line in `results.jsonl`: gate, join, histograms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import caveats
from benchmarks.caveats import Caveat
from benchmarks.gate import Verdict, judge, total
from benchmarks.histogram import Histogram, is_supported
from benchmarks.join import JoinError, RoundTrips, Times, check_clocks, first_event_ns, join, join_echoes
from benchmarks.records import Column, Engine, Trial, read_engine, read_sends, read_trial
from benchmarks.results import LoadFigures, Result, RttFigures
from benchmarks.usage import NOTHING_USED, usage
from producers.journal import read_journal


def summarise(folder: Path) -> Result:
    """Return the result of the trial in *folder*. A trial that isn't correct has a verdict and no figures."""
    trial = read_trial(folder)
    if trial.error is not None:
        return _failed(folder, trial, trial.error)
    engine, columns = read_engine(folder)
    verdict = _judge(trial, engine, columns)
    load: LoadFigures | None = None
    rtt: RttFigures | None = None
    doubts: list[Caveat] = []
    try:
        if trial.kind == "load" and verdict.ok:
            load, doubts = _load(folder, trial, engine, columns)
        elif trial.kind == "rtt" and verdict.ok:
            rtt = _rtt(folder, trial, engine, columns)
    except (JoinError, FileNotFoundError) as error:
        return _failed(folder, trial, str(error))
    times_ns = [sample.at_ns for sample in engine.samples]
    server_usage = usage(times_ns, [sample.server for sample in engine.samples])
    engine_usage = usage(times_ns, [sample.engine for sample in engine.samples])
    if trial.kind != "saturated":
        doubts += caveats.overloaded(server_usage)
        doubts += caveats.engine_busy(engine_usage)
    else:
        doubts += caveats.engine_limits(server_usage, engine_usage, engine.window_ns)
    doubts += caveats.disturbed(server_usage, engine_usage, engine.window_ns)
    doubts += caveats.steal(trial.steal)
    doubts += caveats.cpu(server_usage, engine.window_ns)
    return Result(
        trial=folder.name,
        kind=trial.kind,
        lane=trial.lane,
        round=trial.round,
        readers=len(engine.readers),
        events=sum(reader.events for reader in engine.readers),
        verdict=verdict,
        window_ns=engine.window_ns,
        server=server_usage,
        engine=engine_usage,
        load=load,
        rtt=rtt,
        caveats=tuple(doubts),
    )


def _judge(trial: Trial, engine: Engine, columns: Sequence[Column]) -> Verdict:
    readers = engine.readers
    expected = trial.expected * len(readers) if trial.kind == "saturated" else trial.expected
    if len(readers) != len(expected):
        return Verdict(failures=(f"{len(expected)} readers were planned, and {len(readers)} started",))
    verdicts = [judge(*of_reader) for of_reader in zip(readers, columns, expected, strict=True)]
    return total(verdicts)


def _load(folder: Path, trial: Trial, engine: Engine, columns: Sequence[Column]) -> tuple[LoadFigures, list[Caveat]]:
    check_clocks(trial, engine)
    times = Times()
    for reader, column in zip(engine.readers, columns, strict=True):
        join(column, read_journal(folder / "journal", reader.epoch), times)
    latency, lag = Histogram(times.latency), Histogram(times.lag)
    start_lag = Histogram(reader.request_ns - reader.scheduled_ns for reader in engine.readers)
    deadline_ns = round(trial.deadline * 1e9)
    samples = _distinct(engine, columns)
    figures = LoadFigures(
        latency=latency.encode(),
        lag=lag.encode(),
        queueing=Histogram(times.queueing).encode(),
        delivery=Histogram(times.delivery).encode(),
        first_event=Histogram(
            first_event_ns(reader, column) for reader, column in zip(engine.readers, columns, strict=True)
        ).encode(),
        pause=Histogram(expected.first_ns for expected in trial.expected).encode(),
        connect=Histogram(reader.connect_ns for reader in engine.readers).encode(),
        start_lag=start_lag.encode(),
        samples=samples,
        in_time=sum(value <= deadline_ns for value in times.latency),
    )
    p50 = latency.percentiles([50])[0] if is_supported(50, samples) else None
    lag_p99 = lag.percentiles([99])[0] if is_supported(99, samples) else None
    doubts = [
        *caveats.harness_lag(lag_p99, p50),
        *caveats.start_lag(start_lag.max, p50),
    ]
    return figures, doubts


def _rtt(folder: Path, trial: Trial, engine: Engine, columns: Sequence[Column]) -> RttFigures:
    check_clocks(trial, engine)
    trips = RoundTrips()
    for reader, column, sends in zip(engine.readers, columns, read_sends(folder, engine), strict=True):
        join_echoes(column, sends, read_journal(folder / "journal", reader.epoch), trips)
    return RttFigures(
        total=Histogram(trips.total).encode(),
        held=Histogram(trips.held).encode(),
        lag=Histogram(trips.lag).encode(),
        up=Histogram(trips.up).encode(),
        down=Histogram(trips.down).encode(),
    )


def _distinct(engine: Engine, columns: Sequence[Column]) -> int:
    """Return the number of independent samples: an event of a stream is one, however many readers got it."""
    longest: dict[str, int] = {}
    for reader, column in zip(engine.readers, columns, strict=True):
        longest[reader.epoch] = max(longest.get(reader.epoch, 0), len(column.offsets))
    return sum(longest.values())


def _failed(folder: Path, trial: Trial, fault: str) -> Result:
    return Result(
        trial=folder.name,
        kind=trial.kind,
        lane=trial.lane,
        round=trial.round,
        readers=0,
        events=0,
        verdict=Verdict(failures=(fault,)),
        window_ns=0,
        server=NOTHING_USED,
        engine=NOTHING_USED,
        load=None,
        caveats=(),
    )
