"""From trials to lanes: the rows of a report. Histograms are merged over trials; rates are totals over totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.gate import Verdict, total
from benchmarks.histogram import Histogram, is_supported
from benchmarks.records import Kind
from benchmarks.results import LoadFigures, Result, RttFigures
from benchmarks.usage import Limit, limit

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
    in_time: float
    """Share of the events that came within the deadline."""
    goodput: float
    """Events within the deadline, a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RttRow:
    """How long a lane's messages took, there and back, and which part was what; see `join`."""

    total: Spread
    held: Spread
    lag: Spread
    up: Spread
    down: Spread


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
    server_share: float | None
    """Of one CPU."""
    engine_share: float | None
    limit: Limit | None
    """Which side made it as fast as it was; of interest in saturated trials."""
    overloaded: bool
    """In one trial at least: the lane has no latency then, since that of its other trials would flatter it."""
    load: LoadRow | None
    rtt: RttRow | None


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
    counts = verdict.ok and events > 0
    server_ns = _total([trial.server.cpu_ns for trial in trials]) if counts else None
    engine_ns = _total([trial.engine.cpu_ns for trial in trials]) if counts else None
    server_busy_ns = _total([trial.server.busy_ns() for trial in trials]) if counts else None
    engine_busy_ns = _total([trial.engine.busy_ns() for trial in trials]) if counts else None
    figures = [trial.load for trial in trials if trial.load is not None]
    rtts = [trial.rtt for trial in trials if trial.rtt is not None]
    return Row(
        lane=lane,
        kind=kind,
        trials=len(trials),
        events=events,
        readers=sum(trial.readers for trial in trials),
        verdict=verdict,
        rate=events / window_ns * 1e9 if counts else None,
        server_cpu_us=None if server_ns is None else server_ns / events / 1e3,
        server_share=_share(server_ns, window_ns),
        engine_share=_share(engine_ns, window_ns),
        limit=limit(_share(server_busy_ns, window_ns), _share(engine_busy_ns, window_ns)),
        overloaded=any(trial.overloaded for trial in trials),
        load=_load_row(figures, events, window_ns) if counts and figures else None,
        rtt=_rtt_row(rtts) if counts and rtts else None,
    )


def _total(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _share(part_ns: int | None, window_ns: int) -> float | None:
    return None if part_ns is None else part_ns / window_ns


def _load_row(trials: Sequence[LoadFigures], events: int, window_ns: int) -> LoadRow:
    samples = sum(trial.samples for trial in trials)
    in_time = sum(trial.in_time for trial in trials)
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
        in_time=in_time / events,
        goodput=in_time / window_ns * 1e9,
    )


def _rtt_row(trials: Sequence[RttFigures]) -> RttRow:
    total, held, lag, up, down = (
        Histogram.merged(getattr(trial, name) for trial in trials) for name in ("total", "held", "lag", "up", "down")
    )
    samples = len(total)  # a message is one
    return RttRow(
        total=spread(total, samples),
        held=spread(held, samples),
        lag=spread(lag, samples),
        up=spread(up, samples),
        down=spread(down, samples),
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
