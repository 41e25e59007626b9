"""What is measured, exactly: the catalogue of metrics, in the order of reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

ENGINE: Final = "engine_us_per_event"
"""What a client library costs, in the rows that one reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One figure of a trial."""

    name: str
    title: str
    unit: str
    """Empty: a share of one, or a plain count."""
    better: Literal["lower", "higher"] = "lower"
    meaning: str
    histogram: tuple[str, float] | None = None
    """The histogram and the percentile (100: the largest) that it is; over trials, of the merged histogram.

    Without one, a figure over trials is their median.
    """

    @property
    def of_latency(self) -> bool:
        """Whether it is a time that a backlog would stretch, so that an overloaded trial has none."""
        return self.unit == "ms"


def _times(prefix: str, title: str, noun: str, exactly: str, *percentiles: float) -> tuple[Metric, ...]:
    """Return the percentiles of one histogram, named *prefix*, of times that are *exactly* so."""
    return tuple(
        Metric(
            name=f"{prefix}_{_rank(percentile).replace('.', '')}_ms",
            title=f"{title} {_rank(percentile)}".strip(),
            unit="ms",
            meaning=f"{noun[:1].upper()}{noun[1:]}: {exactly}",
            histogram=(prefix, percentile),
        )
        for percentile in percentiles
    )


def _rank(percentile: float) -> str:
    return "max" if percentile == 100 else f"p{percentile:g}"


_LATENCY: Final = (
    "from when an event was due, which is not when it was sent, to when the bytes that complete it were received, so "
    "that a stall is charged to every event that it delayed."
)
_ROUND_TRIP: Final = "from when a message was due to be sent to when its echo was received over the lane."
_ENGINE_LAG: Final = (
    "from when the kernel had received what completes an event to the load engine's own receive time, which is the end "
    "of the latency; measured on asyncio's own event loop, whose sockets, unlike uvloop's, can be asked."
)
_INTERARRIVAL: Final = (
    "from one event's receipt to the next one's, of a reader; 0 where both came in one piece. Of tokens it is what "
    "some tools call inter-token latency (ITL), and others TPOT."
)
_TPOT: Final = (
    "(last token's receipt - first token's) / (tokens - 1), of a stream; tools that count from the request say "
    "otherwise."
)
_FIRST: Final = "from the start of the request to the first event, the connection apart."
_CONNECT: Final = "for TCP, and TLS and an upgrade where there are any."
_RECOVERY: Final = "from when a reader's connection was cut to the next event that it hadn't got before."

_ALL: Final = (
    *_times("latency", "", "event latency", _LATENCY, 50, 90, 99, 99.9, 100),
    Metric(
        name="goodput",
        title="goodput",
        unit="events/s",
        better="higher",
        meaning="Events that arrived once, in order, and within the scenario's deadline after they were due, a second.",
    ),
    Metric(
        name="in_time",
        title="in time",
        unit="",
        better="higher",
        meaning="Share of the events that arrived once, in order, and within the scenario's deadline.",
    ),
    Metric(
        name="server_us_per_event",
        title="server",
        unit="us/event",
        meaning=(
            "CPU time of the server's processes for each delivery, user and system; on loopback the sender pays for "
            "the receiver's TCP work too."
        ),
    ),
    Metric(
        name=ENGINE,
        title="engine",
        unit="us/event",
        meaning=(
            "CPU time of the load engine for each delivery: of a row LANE+CLIENT the client's cost, else the harness's "
            "own, and no lane's."
        ),
    ),
    Metric(
        name="rate",
        title="rate",
        unit="events/s",
        better="higher",
        meaning="Events received by all readers, a second; a property of a lane only where that is saturated.",
    ),
    Metric(
        name="floor_multiple",
        title="server",
        unit="x floor",
        meaning="The server's CPU time per delivery over that of a bare event loop which sends the same bytes: the "
        "floor of the lane's own wire where that was measured, else the first floor that was.",
    ),
    Metric(name="server_cpu", title="server CPU", unit="", meaning="Share of one CPU that the server used."),
    Metric(name="engine_cpu", title="engine CPU", unit="", meaning="Share of one CPU that the load engine used."),
    *_times("lag", "lag", "harness lag", "from when an event was due to when the pacer's process woke for it.", 50, 99),
    *_times("queueing", "queueing", "queueing", "from when the pacer woke to when the event was in the log.", 50, 99),
    *_times("delivery", "delivery", "delivery", "from in the log to received, which is the lane's part.", 50, 99),
    *_times("interarrival", "inter-arrival", "inter-arrival time", _INTERARRIVAL, 50, 99),
    *_times("tpot", "TPOT", "time per output token", _TPOT, 50, 90),
    Metric(
        name="jitter_ms",
        title="jitter",
        unit="ms",
        meaning=(
            "Interarrival jitter as RFC 3550 (6.4.1) has it, J += (|D| - J) / 16 over a reader's events, D being the "
            "difference of two successive latencies; the median reader's."
        ),
    ),
    *_times("engine_lag", "engine lag", "engine lag", _ENGINE_LAG, 50, 99),
    *_times("first_event", "first event", "time to the first event", _FIRST, 50, 90, 99, 100),
    *_times("connect", "connect", "time to make a connection", _CONNECT, 50, 99),
    Metric(
        name="server_us_per_connect",
        title="server",
        unit="us/reader",
        meaning="CPU time of the server's processes for each reader that came, with the few events that it got.",
    ),
    *_times("rtt", "", "round trip", _ROUND_TRIP, 50, 90, 99, 99.9, 100),
    *_times("send_lag", "lag", "send lag", "how late the load engine was by itself in sending a message.", 50, 99),
    *_times("held", "held", "held", "due while the message before was still being sent, as the order asks.", 50, 99),
    *_times("up", "up", "up", "from when a message was sent to when its echo was in the log.", 50, 99),
    *_times("down", "down", "down", "from when an echo was in the log to when it was received.", 50, 99),
    Metric(
        name="sustainable_rate",
        title="sustainable",
        unit="events/s",
        better="higher",
        meaning="The highest offered rate at which the backlog didn't grow: found by a search, and confirmed.",
    ),
    Metric(
        name="bytes_down_per_event",
        title="down",
        unit="B/event",
        meaning="Bytes of TCP payload from the server for each delivery, headers and answers to polls included.",
    ),
    Metric(
        name="bytes_up_per_event",
        title="up",
        unit="B/event",
        meaning="Bytes of TCP payload to the server for each delivery, requests and polls included.",
    ),
    Metric(
        name="segments_per_event",
        title="segments",
        unit="segments/event",
        meaning="TCP segments in both directions for each delivery, those of opening and closing taken off.",
    ),
    Metric(
        name="idle_bytes_per_reader",
        title="idle memory",
        unit="B/reader",
        meaning="Unique set size of the server for one more idle reader, as the slope over those that have come.",
    ),
    Metric(
        name="idle_slab_bytes_per_reader",
        title="idle slab",
        unit="B/reader",
        meaning="The kernel's slab memory for one more idle reader, on both ends of its connection: the slope.",
    ),
    Metric(
        name="wakeups_per_reader",
        title="wakeups",
        unit="1/s/reader",
        meaning="How often the server's processes woke, a second and idle reader, when nothing happened.",
    ),
    *_times("recovery", "recovery", "time to recover", _RECOVERY, 50, 100),
    Metric(
        name="resent",
        title="sent again",
        unit="events",
        meaning="Events that readers got again after reconnecting, having had them already.",
    ),
    Metric(
        name="reconnect_peak",
        title="reconnects",
        unit="1/s",
        meaning="The most connections that readers opened in any one second after a fault.",
    ),
)

METRICS: Final[Mapping[str, Metric]] = {metric.name: metric for metric in _ALL}
