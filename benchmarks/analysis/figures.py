"""A trial's figures: numbers by the names of `metrics`, and the histograms behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from streamlanes.benchmarks.analysis.caveats import Caveat
from streamlanes.benchmarks.analysis.histogram import Histogram, is_supported
from streamlanes.benchmarks.spec.metrics import METRICS

MAX: Final = 100.0
"""Percentile that stands for the largest value, which takes one sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """Latency over time: how many deliveries had which latency when. A cell is open at its upper end."""

    seconds: tuple[float, ...]
    """Edges of the rows: when events were due, after the window's begin."""
    milliseconds: tuple[float, ...]
    """Edges of the columns, evenly spaced on a logarithmic scale."""
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Deliveries and reconnects over time, and when the faults were."""

    seconds: float
    """The length of a bin; the first begins with the window."""
    delivered: tuple[int, ...]
    reconnects: tuple[int, ...]
    faults: tuple[tuple[float, str], ...]
    """Seconds after the window's begin, and what it was, for each fault."""


@dataclass(kw_only=True)
class Figures:
    """What is being computed of one trial."""

    numbers: dict[str, float] = field(default_factory=dict)
    histograms: dict[str, Histogram] = field(default_factory=dict)
    samples: dict[str, int] = field(default_factory=dict)
    """Independent ones behind each histogram."""
    heat: Heat | None = None
    timeline: Timeline | None = None
    caveats: list[Caveat] = field(default_factory=list)
    backlog: bool = False
    """Whether the latency grew while the load went on: the lane was overloaded."""
    deliveries: int | None = None
    """Number that CPU figures are divided by; None: all events received."""

    def times(self, name: str, values_ns: Iterable[int], samples: int | None = None) -> Histogram:
        """Add a histogram of times and the percentiles that it supports; *samples*: by default as many as values."""
        histogram = self.histograms[name] = Histogram(values_ns)
        self.samples[name] = len(histogram) if samples is None else samples
        self.numbers |= percentiles(name, histogram, self.samples[name])
        return histogram


def percentiles(name: str, histogram: Histogram, samples: int) -> dict[str, float]:
    """Return the percentiles of histogram *name*, in ms by the names of their metrics, that *samples* support."""
    wanted = [
        (metric.name, metric.histogram[1])
        for metric in METRICS.values()
        if metric.histogram is not None and metric.histogram[0] == name
    ]
    if not len(histogram):
        return {}
    supported = [(metric, at) for metric, at in wanted if at == MAX or is_supported(at, samples)]
    values = _values(histogram, [at for _, at in supported])
    return {metric: value / 1e6 for (metric, _), value in zip(supported, values, strict=True)}


def _values(histogram: Histogram, at: Sequence[float]) -> list[int]:
    return [histogram.max if percentile == MAX else histogram.percentiles([percentile])[0] for percentile in at]
