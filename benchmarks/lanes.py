"""From trials to lanes: the rows of a report. Histograms are merged over trials; rates are totals over totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.gate import Verdict, total
from benchmarks.histogram import Histogram, is_supported
from benchmarks.records import Kind
from benchmarks.results import LoadFigures, Result

PERCENTILES: Final = (50, 90, 99, 99.9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A distribution of times in nanoseconds; a percentile without enough samples behind it is None."""

    percentiles: tuple[int | None, ...]
    """Of PERCENTILES."""
    max: int
    samples: int

    @property
    def p50(self) -> int | None:
        """The median."""
        return self.percentiles[0]

    @property
    def p99(self) -> int | None:
        """Ninety-nine of a hundred are not above it."""
        return self.percentiles[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRow:
    """What a lane did with the load."""

    latency: Spread
    lag: Spread
    queueing: Spread
    delivery: Spread
    first_event: Spread
    pause: Spread
    """The producer's part of `first_event`."""
    connect: Spread
    goodput: float
    """Events a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A lane in one kind of trial."""

    lane: str
    kind: Kind
    trials: int
    events: int
    readers: int
    verdict: Verdict
    rate: float | None
    """Events received per second of the window."""
    server_cpu_us: float | None
    """Per event."""
    engine_cpu_us: float | None
    server_share: float | None
    """Of one CPU."""
    engine_share: float | None
    load: LoadRow | None


def rows(results: Sequence[Result], kind: Kind, lanes: Sequence[str]) -> list[Row]:
    """Return a row for each of *lanes* that has trials of *kind*, in that order.

    A lane with a trial that isn't correct has no figures at all: those of its other trials would flatter it.
    """
    by_lane = {lane: [result for result in results if (result.kind, result.lane) == (kind, lane)] for lane in lanes}
    return [_row(lane, kind, trials) for lane, trials in by_lane.items() if trials]


def _row(lane: str, kind: Kind, trials: Sequence[Result]) -> Row:
    verdict = total([trial.verdict for trial in trials])
    events = sum(trial.events for trial in trials)
    window_ns = sum(trial.window_ns for trial in trials)
    cpu = [trial.server_cpu_ns for trial in trials if trial.server_cpu_ns is not None]
    server_ns = sum(cpu) if len(cpu) == len(trials) else None
    engine_ns = sum(trial.engine_cpu_ns for trial in trials)
    figures = [trial.load for trial in trials if trial.load is not None]
    counts = verdict.ok and events > 0
    return Row(
        lane=lane,
        kind=kind,
        trials=len(trials),
        events=events,
        readers=sum(trial.readers for trial in trials),
        verdict=verdict,
        rate=events / window_ns * 1e9 if counts else None,
        server_cpu_us=server_ns / events / 1e3 if counts and server_ns is not None else None,
        engine_cpu_us=engine_ns / events / 1e3 if counts else None,
        server_share=server_ns / window_ns if counts and server_ns is not None else None,
        engine_share=engine_ns / window_ns if counts else None,
        load=_load_row(figures, window_ns) if counts and figures else None,
    )


def _load_row(trials: Sequence[LoadFigures], window_ns: int) -> LoadRow:
    samples = sum(trial.samples for trial in trials)
    first_event = Histogram.merged(trial.first_event for trial in trials)
    pause = Histogram.merged(trial.pause for trial in trials)
    connect = Histogram.merged(trial.connect for trial in trials)
    return LoadRow(
        latency=spread(Histogram.merged(trial.latency for trial in trials), samples),
        lag=spread(Histogram.merged(trial.lag for trial in trials), samples),
        queueing=spread(Histogram.merged(trial.queueing for trial in trials), samples),
        delivery=spread(Histogram.merged(trial.delivery for trial in trials), samples),
        first_event=spread(first_event, len(first_event)),
        pause=spread(pause, len(pause)),
        connect=spread(connect, len(connect)),
        goodput=sum(trial.in_time for trial in trials) / window_ns * 1e9,
    )


def spread(histogram: Histogram, samples: int) -> Spread:
    """Return what *samples* independent samples allow to be said of a histogram."""
    values = histogram.percentiles(PERCENTILES)
    return Spread(
        percentiles=tuple(
            value if is_supported(percentile, samples) else None
            for percentile, value in zip(PERCENTILES, values, strict=True)
        ),
        max=histogram.max,
        samples=samples,
    )
