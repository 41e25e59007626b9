"""The metrics of results, in the order of reports: what each is, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One figure of a trial."""

    name: str
    title: str
    unit: str
    better: Literal["lower", "higher"] = "lower"
    meaning: str
    histogram: tuple[str, float] | None = None
    """Of which histogram it is which percentile (100: the largest value), if it is one."""


def _percentiles(prefix: str, histogram: str, title: str, meaning: str, *at: float) -> list[Metric]:
    return [
        Metric(
            name=f"{prefix}_{'max' if percentile == 100 else f'p{percentile:g}'.replace('.', '')}_ms",
            title=f"{title} {'max' if percentile == 100 else f'p{percentile:g}'}".strip(),
            unit="ms",
            meaning=meaning,
            histogram=(histogram, percentile),
        )
        for percentile in at
    ]


_ALL: Final = (
    *_percentiles(
        "latency", "latency", "", "event latency: from when an event was due to when its bytes were received",
        50, 90, 99, 99.9, 100,
    ),
    *_percentiles(
        "rtt", "rtt", "", "from when a message was due to be sent to when its echo was received over the lane",
        50, 90, 99, 99.9, 100,
    ),
    *_percentiles("lag", "lag", "lag", "the harness's own: from due to when the pacer woke for it", 50, 99),
    *_percentiles("queueing", "queueing", "queueing", "from when the pacer woke to when it was in the log", 50, 99),
    *_percentiles("delivery", "delivery", "delivery", "from in the log to received: the lane's part", 50, 99),
    *_percentiles("send_lag", "send_lag", "lag", "the engine's own lateness, part of the round trip", 50, 99),
    *_percentiles("held", "held", "held", "due while the message before was still being sent", 50, 99),
    *_percentiles("up", "up", "up", "from sent to in the log, the producer included", 50, 99),
    *_percentiles("down", "down", "down", "from in the log to received", 50, 99),
    *_percentiles("connect", "connect", "connect", "making the connection (TCP)", 50, 99),
    *_percentiles(
        "first_event", "first_event", "first", "from the request to the first event, without the connection", 50, 99
    ),
    Metric(name="in_time", title="in time", unit="", better="higher",
           meaning="share of the events that came once, in order, and within the scenario's deadline"),
    Metric(name="goodput", title="goodput", unit="events/s", better="higher",
           meaning="events that came once, in order, within the scenario's deadline, per second"),
    Metric(name="rate", title="events/s", unit="events/s", better="higher", meaning="events received per second"),
    Metric(name="server_us_per_event", title="server", unit="us/event",
           meaning="the server's CPU time per delivery; on loopback the sender pays for the receiver's TCP work too"),
    Metric(name="server_cpu", title="server CPU", unit="", meaning="share of one CPU that the server used"),
    Metric(name="engine_us_per_event", title="engine", unit="us/event", meaning="the load engine's CPU time per event"),
    Metric(name="engine_cpu", title="engine CPU", unit="", meaning="share of one CPU that the load engine used"),
)  # fmt: skip

METRICS: Final[Mapping[str, Metric]] = {metric.name: metric for metric in _ALL}
