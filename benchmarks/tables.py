"""What a report says: tables of text, the same for every form of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, get_args

from benchmarks import caveats
from benchmarks.caveats import Caveat
from benchmarks.histogram import MIN_BEYOND
from benchmarks.lanes import PERCENTILES, LoadRow, Row, Spread, rows
from benchmarks.records import Kind
from benchmarks.results import Header, Result
from benchmarks.usage import BUSY, MOSTLY_BUSY

NOTHING: Final = "-"
GATE: Final = "faults"
GATE_NOTE: Final = "faults: events lost/repeated/reordered."
LIMITS: Final = {
    ("engine", "both"): "engine, both: the load engine set the pace, or shared in it (both busy over "
    f"{BUSY:.0%}), so events/s is a lower bound of the lane's; compare server µs/event.",
    (
        "neither",
    ): "neither: the two wait for each other, as with a request for each batch; events/s is then responses a "
    "second times events per response, a figure of round trips and not a capacity.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A title, a head of one line or more, rows of cells (the first one is the lane), and what the columns mean."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def load_table(header: Header, results: Sequence[Result], *, tail: bool) -> Table | None:
    """Return the lanes under load, if there were such trials; with *tail*, all there is to say of them."""
    load = header.scenario.load
    lanes = rows(results, "load", header.scenario.lanes)
    if load is None or not lanes:
        return None
    shown = PERCENTILES if tail else PERCENTILES[:-1]
    arrivals = (
        f"over {load.spread:g} s" if header.trace is None else f"as in {header.trace.file}, x{header.trace.speed:,.12g}"
    )
    clients = "1 client" if header.sessions == 1 else f"{header.sessions:,} clients"
    return Table(
        title=f"Under load: {clients}, each with its own stream of tokens",
        head=(
            *("lane", "trials", GATE),
            *(f"p{percentile:g}\nms" for percentile in shown),
            *("max\nms", "in\ntime"),
            *(("goodput\nevents/s", "events") if tail else ()),
            *("server\nµs/event", "server\nCPU"),
        ),
        rows=tuple(_load_cells(row, len(shown), tail=tail) for row in lanes),
        notes=(
            f"Clients come {arrivals}; {header.events:,} events a trial, {load.rate:,.12g}/s on each stream.",
            GATE_NOTE,
            "p50 to max: event latency, from when an event was due to when its bytes were received.",
            *(too_few(shown) if any(_lacks(row, len(shown)) for row in lanes) else ()),
            f"in time: came once, in order, and within {load.deadline * 1e3:,.12g} ms of when they were due.",
            (
                "server: CPU time for each event, with producing it and starting the sessions. It changes with the "
                "load (wake-ups, sessions): compare lanes within a run, not runs of different loads."
            ),
        ),
    )


def _load_cells(row: Row, percentiles: int, *, tail: bool) -> tuple[str, ...]:
    load = row.load
    latency = None if load is None or row.overloaded else load.latency
    times = (
        (NOTHING,) * (percentiles + 1)
        if latency is None
        else (*(milliseconds(value) for value in latency.percentiles[:percentiles]), milliseconds(latency.max))
    )
    totals = (NOTHING if load is None else f"{load.goodput:,.0f}", f"{row.events:,}") if tail else ()
    in_time = NOTHING if load is None else percent_in_time(load.in_time)
    server = (number(row.server_cpu_us), share(row.server_share))
    return (row.lane, str(row.trials), gate(row), *times, in_time, *totals, *server)


def parts_table(header: Header, results: Sequence[Result]) -> Table | None:
    """Return where the latency went, if there were load trials with figures."""
    lanes = [
        (row.lane, row.load)
        for row in rows(results, "load", header.scenario.lanes)
        if row.load is not None and not row.overloaded
    ]
    if not lanes:
        return None
    pause = lanes[0][1].pause.p50
    own = "" if pause is None else f"; the producer's own pause has a p50 of {milliseconds(pause)} ms"
    few = any(load.first_event.p50 is None for _, load in lanes)
    return Table(
        title="Where the event latency went, and the first event (ms)",
        head=(
            *("lane", "lag\np50", "lag\np99", "queueing\np50", "queueing\np99", "delivery\np50", "delivery\np99"),
            *("connect\np50", "first\np50"),
        ),
        rows=tuple((lane, *_parts(load)) for lane, load in lanes),
        notes=(
            (
                "lag, the harness's own: from due to when the pacer's process woke for it; queueing: to when it was in "
                "the log; delivery, which is the lane's part: to when it was received."
            ),
            f"first: from the request to the first event{own}. connect is part of none of them.",
            *(("connect, first: one sample a client; a p50 takes 20.",) if few else ()),
        ),
    )


def _parts(load: LoadRow) -> tuple[str, ...]:
    spreads: tuple[Spread, ...] = (load.lag, load.queueing, load.delivery)
    pairs = (milliseconds(value) for spread in spreads for value in (spread.p50, spread.p99))
    return (*pairs, milliseconds(load.connect.p50), milliseconds(load.first_event.p50))


def saturated_table(header: Header, results: Sequence[Result]) -> Table | None:
    """Return how fast one connection went, if there were such trials."""
    saturated = header.scenario.saturated
    lanes = rows(results, "saturated", header.scenario.lanes)
    if saturated is None or not lanes:
        return None
    limits = {row.limit for row in lanes}
    return Table(
        title=f"Saturated: {saturated.events:,} events of {saturated.size} bytes, read from a full log",
        head=("lane", "trials", GATE, "events/s", "limited\nby", "server\nµs/event", "server\nCPU", "engine\nCPU"),
        rows=tuple(
            (
                row.lane,
                str(row.trials),
                gate(row),
                NOTHING if row.rate is None else f"{row.rate:,.0f}",
                NOTHING if row.limit is None else row.limit,
                number(row.server_cpu_us),
                share(row.server_share),
                share(row.engine_share),
            )
            for row in lanes
        ),
        notes=(
            f"One connection at a time, from the start to the end, again until {saturated.seconds:g} s were measured.",
            f"limited by: the busier side, if it ran, or waited for its CPU, at least {MOSTLY_BUSY:.0%} of the time.",
            *(note for names, note in LIMITS.items() if limits & {*names}),
            "server µs/event: its CPU time; on loopback the sender pays for the receiver's TCP work too.",
        ),
    )


def doubts(header: Header, results: Sequence[Result], planned: int) -> list[str]:
    """Return the run's caveats, then the worst of each name and lane."""
    environment, trace = header.environment, header.trace
    rounds_of = {kind: len({result.round for result in results if result.kind == kind}) for kind in get_args(Kind)}
    of_run = [
        *caveats.interrupted(len(results), planned),
        *caveats.preliminary(rounds_of),
        *caveats.placement(environment.cpus, environment.server_cpu, environment.engine_cpu),
        *caveats.congestion_control(environment.sysctls["net.ipv4.tcp_congestion_control"]),
        *caveats.left_out(header.left_out),
        *(caveats.trace(trace.skipped, trace.out_of_order) if trace else []),
    ]
    of_lanes = [(result.lane, caveat) for result in results for caveat in result.caveats]
    for row in rows(results, "rtt", header.scenario.lanes):
        if row.rtt is not None:  # a trial of round trips has too few for a p99, a lane may have enough
            of_lanes += [(row.lane, caveat) for caveat in caveats.send_lag(row.rtt.lag.p99, row.rtt.total.p50)]
    worst: dict[str, dict[str, Caveat]] = {}
    for lane, caveat in of_lanes:
        lanes = worst.setdefault(caveat.name, {})
        known = lanes.get(lane)
        if known is None or caveat.size > known.size:
            lanes[lane] = caveat
    of_trials = [
        f"{name}: " + "; ".join(f"{lane} {caveat.detail}" for lane, caveat in sorted(lanes.items()))
        for name, lanes in sorted(worst.items())
    ]
    return [f"{caveat.name}: {caveat.detail}" for caveat in of_run] + of_trials


def refusals(results: Sequence[Result]) -> list[str]:
    """Return a line for each trial that isn't correct."""
    return [
        f"{result.lane}, {result.kind}, round {result.round}: {result.verdict.faults()} (raw/{result.trial})"
        for result in results
        if not result.verdict.ok
    ]


def milliseconds(nanoseconds: int | None) -> str:
    """Return a time in milliseconds, with three digits of it; `-` where there aren't samples enough."""
    return number(None if nanoseconds is None else nanoseconds / 1e6)


def number(value: float | None) -> str:
    """Return a figure with three digits of it, or `-`."""
    if value is None:
        return NOTHING
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def share(value: float | None) -> str:
    """Return a share of one in percent, or `-`."""
    return NOTHING if value is None else f"{value:.0%}"


def percent_in_time(part: float) -> str:
    """Return a share, rounded down: 100 % is all of them."""
    return "100%" if part == 1 else f"{math.floor(part * 1000) / 10:.1f}%"


def gate(row: Row) -> str:
    """Return the cell of what was wrong, and what came of it."""
    verdict = row.verdict
    counts = f"{verdict.lost}/{verdict.repeated}/{verdict.reordered}"
    if not verdict.ok:
        return f"{counts}\nREFUSED"
    return f"{counts}\noverloaded" if row.overloaded else counts


def _lacks(row: Row, percentiles: int) -> bool:
    """Say whether a percentile isn't printed for want of samples."""
    return row.load is not None and not row.overloaded and None in row.load.latency.percentiles[:percentiles]


def too_few(percentiles: Sequence[float]) -> tuple[str]:
    """Return the note on percentiles that aren't printed."""
    needed = ", ".join(f"{MIN_BEYOND * 100 / (100 - value):,.0f} for p{value:g}" for value in percentiles)
    return (f"-: too few events; a percentile is printed if at least {MIN_BEYOND} lie beyond it ({needed}).",)
