"""Histograms of times: the typed border to the package hdrhistogram, which has no types.

High dynamic range histograms (https://hdrhistogram.github.io/HdrHistogram/) keep three significant digits of any
value, so histograms of trials can be merged without loss. Percentiles are taken from the merged one, never averaged.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Final, Self

from hdrh.codec import HdrCookieException, HdrLengthException  # type: ignore[import-untyped]  # as below
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]  # this module is the border

HOUR_NS: Final = 3_600_000_000_000
MS: Final = 1_000_000
DIGITS: Final = 3
TICKS: Final = 5
"""Lines for each halving of the distance to 100 %, in a percentile distribution: HdrHistogram's default."""
MIN_BEYOND: Final = 10
"""Independent samples that must lie beyond a percentile for it to be printed."""


def is_supported(percentile: float, samples: int) -> bool:
    """Say whether *samples* independent samples are enough for *percentile*: ten of them lie beyond it."""
    return round(samples * (100 - percentile), 6) >= MIN_BEYOND * 100


class HistogramError(ValueError):
    """What should be a histogram is something else."""


class Histogram:
    """Counts of times from 0 to an hour, in nanoseconds."""

    def __init__(self, values: Iterable[int] = ()) -> None:
        self._counts = HdrHistogram(1, HOUR_NS, DIGITS)
        for value in values:
            self.record(value)

    def record(self, value: int) -> None:
        """Count *value*. Raises ValueError if it is negative, or over an hour."""
        if not 0 <= value <= HOUR_NS:
            raise ValueError(f"{value} ns is no time from 0 to an hour")
        self._counts.record_value(value)

    def __len__(self) -> int:
        return int(self._counts.get_total_count())

    @property
    def max(self) -> int:
        """The largest value."""
        return int(self._counts.get_max_value())

    def percentiles(self, wanted: Sequence[float]) -> list[int]:
        """Return the values that so many percent of all are not above. Raises ValueError if there are none."""
        if not len(self):
            raise ValueError("an empty histogram has no percentiles")
        values: dict[float, int] = self._counts.get_percentile_to_value_dict(list(wanted))
        return [int(values[percentile]) for percentile in wanted]

    def hgrm(self) -> str:
        """Return the percentile distribution in milliseconds, as HdrHistogram's Java class prints it for its plotter.

        Raises ValueError if there are no values.
        """
        if not len(self):
            raise ValueError("an empty histogram has no percentiles")
        lines = [f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}", ""]
        for step in self._counts.get_percentile_iterator(TICKS):
            share = step.percentile_level_iterated_to / 100
            line = f"{step.value_iterated_to / MS:12.3f} {share:2.12f} {step.total_count_to_this_value:10d}"
            lines.append(line if share == 1 else f"{line} {1 / (1 - share):14.2f}")
        mean, deviation = self._counts.get_mean_value() / MS, self._counts.get_stddev() / MS
        lines += [
            f"#[Mean    = {mean:12.3f}, StdDeviation   = {deviation:12.3f}]",
            f"#[Max     = {self.max / MS:12.3f}, Total count    = {len(self):12d}]",
            f"#[Buckets = {self._counts.bucket_count:12d}, SubBuckets     = {self._counts.sub_bucket_count:12d}]",
        ]
        return "\n".join(lines) + "\n"

    def merge(self, other: Histogram) -> None:
        """Add the counts of *other*."""
        self._counts.add(other._counts)

    def encode(self) -> str:
        """Return the counts in HdrHistogram's V2 compressed format, in base64, as its other tools read it."""
        encoded: bytes = self._counts.encode()
        return encoded.decode("ascii")

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read what `encode` wrote. Raises HistogramError for anything else."""
        histogram = cls()
        try:
            histogram._counts = HdrHistogram.decode(text.encode("ascii"))
        except (HdrCookieException, HdrLengthException, ValueError, zlib.error, IndexError) as error:
            raise HistogramError(f"not a histogram: {text[:40]!r}") from error
        return histogram

    @classmethod
    def merged(cls, texts: Iterable[str]) -> Self:
        """Return one histogram of all the encoded ones."""
        histogram = cls()
        for text in texts:
            histogram.merge(cls.decode(text))
        return histogram
