"""What a server counts, for Prometheus.

The counts are plain numbers, since they are made for every batch and every reader; they become metrics when somebody
asks. No stream's id is a label: ids are secrets, and there are too many.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from streamlanes.producers.events import Outcome

BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the latency's buckets, in seconds."""


@dataclass(slots=True)
class LaneMetrics:
    """The counts of one lane."""

    connections: int = 0
    """Readers that are connected."""
    opened: int = 0
    """Requests to read that were let in, whatever came of them."""
    delivered: int = 0
    """Events handed to the server for sending."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Readers turned away or cut off, by reason."""
    latencies: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    latency_sum: float = 0.0

    def observe(self, seconds: float, readers: int) -> None:
        """Count the time from an append to its being handed over for so many readers."""
        self.latencies[bisect_left(BUCKETS, seconds)] += readers
        self.latency_sum += seconds * readers


class Metrics(Collector):
    """One service's counts, in a registry of their own, so that several services can be in one process."""

    def __init__(self) -> None:
        self.appended = 0
        self.appended_unread = 0
        self.ended: Counter[Outcome] = Counter()
        self.lanes: dict[str, LaneMetrics] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def lane(self, name: str) -> LaneMetrics:
        """Return the counts of the lane *name*."""
        return self.lanes.setdefault(name, LaneMetrics())

    def exposition(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, as a collector does."""
        yield CounterMetricFamily("streamlanes_events_appended", "Events appended to logs.", value=self.appended)
        yield CounterMetricFamily(
            "streamlanes_events_appended_unread",
            "Events appended to sessions whose last reader had left.",
            value=self.appended_unread,
        )
        ended = CounterMetricFamily("streamlanes_streams_ended", "Streams that ended.", labels=["outcome"])
        for outcome, count in self.ended.items():
            ended.add_metric([outcome.value], count)
        yield ended
        connections = GaugeMetricFamily("streamlanes_connections", "Readers connected.", labels=["lane"])
        opened = CounterMetricFamily(
            "streamlanes_streams_opened", "Requests to read that were let in.", labels=["lane"]
        )
        delivered = CounterMetricFamily("streamlanes_events_delivered", "Events handed over to send.", labels=["lane"])
        dropped = CounterMetricFamily(
            "streamlanes_readers_dropped", "Readers turned away or cut off.", labels=["lane", "reason"]
        )
        latency = HistogramMetricFamily(
            "streamlanes_append_to_send_seconds",
            "From the last append to its being handed over, for each reader that waited for it.",
            labels=["lane"],
        )
        bounds = [*map(str, BUCKETS), "+Inf"]
        for name, lane in self.lanes.items():
            connections.add_metric([name], lane.connections)
            opened.add_metric([name], lane.opened)
            delivered.add_metric([name], lane.delivered)
            for reason, count in lane.dropped.items():
                dropped.add_metric([name, reason], count)
            cumulative = zip(bounds, accumulate(lane.latencies), strict=True)
            latency.add_metric([name], [(bound, count) for bound, count in cumulative], lane.latency_sum)
        yield from (connections, opened, delivered, dropped, latency)
