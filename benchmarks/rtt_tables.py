"""What a report says of round trips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.lanes import PERCENTILES, Row, RttRow, rows
from benchmarks.results import Header, Result
from benchmarks.tables import GATE, GATE_NOTE, NOTHING, Table, gate, milliseconds, number, share, too_few


def rtt_table(header: Header, results: Sequence[Result], *, tail: bool) -> Table | None:
    """Return the lanes' round trips, if there were such trials; with *tail*, all there is to say of them."""
    rtt = header.scenario.rtt
    lanes = rows(results, "rtt", header.scenario.lanes)
    if rtt is None or not lanes:
        return None
    shown = PERCENTILES if tail else PERCENTILES[:-1]
    few = any(row.rtt is not None and None in row.rtt.total.percentiles[: len(shown)] for row in _with_times(lanes))
    clients = "1 client" if rtt.clients == 1 else f"{rtt.clients:,} clients"
    return Table(
        title=f"Round trips: {clients}, each sending to an echo and reading what comes back",
        head=(
            *("lane", "up by", "trials", GATE),
            *(f"p{percentile:g}\nms" for percentile in shown),
            "max\nms",
            *(("round\ntrips",) if tail else ()),
            *("server\nµs/trip", "server\nCPU", "lag\np99 ms"),
        ),
        rows=tuple(_cells(row, header.ways_up, len(shown), tail=tail) for row in lanes),
        notes=(
            (
                f"{rtt.messages:,} messages of {rtt.size:,} bytes a client and trial, {rtt.rate:,.12g}/s from each, "
                f"{rtt.arrivals} spacing."
            ),
            GATE_NOTE,
            "p50 to max: from when a message was due to be sent to when its echo was received over the lane.",
            *(too_few(shown) if few else ()),
            (
                "up by: frame, on the connection that the echoes come down; POST, a request for each message beside "
                "it, on a connection that is kept alive."
            ),
            (
                "server: CPU time for a message's way up, its echo, and its way down; with the ends of the "
                "sessions and without their starts. It changes with the load: compare lanes within a run."
            ),
            "lag: the engine's own lateness, which is part of the round trip.",
        ),
    )


def _cells(row: Row, ways_up: Mapping[str, str], percentiles: int, *, tail: bool) -> tuple[str, ...]:
    rtt = None if row.overloaded else row.rtt
    total = None if rtt is None else rtt.total
    times = (
        (NOTHING,) * (percentiles + 1)
        if total is None
        else (*(milliseconds(value) for value in total.percentiles[:percentiles]), milliseconds(total.max))
    )
    return (
        *(row.lane, ways_up.get(row.lane, NOTHING), str(row.trials), gate(row)),
        *times,
        *((f"{row.events:,}",) if tail else ()),
        *(number(row.server_cpu_us), share(row.server_share), milliseconds(None if rtt is None else rtt.lag.p99)),
    )


def rtt_parts_table(header: Header, results: Sequence[Result]) -> Table | None:
    """Return where the round trips' time went, if there were such trials with figures."""
    lanes = [
        (row.lane, row.rtt) for row in _with_times(rows(results, "rtt", header.scenario.lanes)) if row.rtt is not None
    ]
    if not lanes:
        return None
    parts = ("lag", "held", "up", "down")
    return Table(
        title="Where the time of the round trips went (ms)",
        head=("lane", *(f"{part}\np{percentile}" for part in parts for percentile in (50, 99))),
        rows=tuple((lane, *_parts(rtt)) for lane, rtt in lanes),
        notes=(
            (
                "held: due while the message before was still being sent, as the order asks for; up: from sent to in "
                "the log, the producer included; down: from there to received."
            ),
            "A message is on its way up until the server has it; the answer to a POST comes later, beside the echo.",
        ),
    )


def _parts(rtt: RttRow) -> tuple[str, ...]:
    spreads = (rtt.lag, rtt.held, rtt.up, rtt.down)
    return tuple(milliseconds(value) for spread in spreads for value in (spread.p50, spread.p99))


def _with_times(lanes: Sequence[Row]) -> list[Row]:
    return [row for row in lanes if row.rtt is not None and not row.overloaded]
