"""What a report says: tables of text, the same for every form of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks import caveats
from benchmarks.caveats import Caveat
from benchmarks.lanes import PERCENTILES, LoadRow, Row, Spread, rows
from benchmarks.results import Header, Result

NOTHING: Final = "-"
GATE: Final = "lost/\nrepeated/\nreordered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A title, a head of one line or more, rows of cells (the first one is the lane), and what the columns mean."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def load_table(header: Header, results: Sequence[Result], *, tail: bool) -> Table | None:
    """Return the lanes under load, if there were such trials; with *tail*, p99.9 too."""
    load = header.scenario.load
    lanes = rows(results, "load", header.scenario.lanes)
    if load is None or not lanes:
        return None
    shown = PERCENTILES if tail else PERCENTILES[:-1]
    arrivals = (
        f"over {load.spread:g} s" if header.trace is None else f"as in {header.trace.file}, x{header.trace.speed:g}"
    )
    pause = next((milliseconds(row.load.pause.p50) for row in lanes if row.load is not None), NOTHING)
    return Table(
        title=f"Under load: {header.sessions} clients, each with its own stream of tokens",
        head=(
            *("lane", "trials", "events", GATE),
            *(f"p{percentile:g}\nms" for percentile in shown),
            *("max\nms", "first\nms", "goodput\nevents/s", "server\nµs/event"),
        ),
        rows=tuple(_load_cells(row, len(shown)) for row in lanes),
        notes=(
            f"Clients come {arrivals}; {header.events:,} events a trial, {load.rate:g}/s on each stream.",
            "p50 to max: event latency, from when an event was due to when its bytes were received.",
            f"first: from the request to the first event, p50; the producer's own pause has a p50 of {pause} ms.",
            f"goodput: events a second that came once, in order, and within {load.deadline * 1e3:g} ms.",
            "server: its CPU time for each event delivered, producing it and starting the sessions included.",
        ),
    )


def _load_cells(row: Row, percentiles: int) -> tuple[str, ...]:
    load = row.load
    times = (
        _missing(percentiles + 2)
        if load is None
        else (
            *(milliseconds(value) for value in load.latency.percentiles[:percentiles]),
            milliseconds(load.latency.max),
            milliseconds(load.first_event.p50),
        )
    )
    goodput = NOTHING if load is None else f"{load.goodput:,.0f}"
    return (row.lane, str(row.trials), f"{row.events:,}", _gate(row), *times, goodput, _number(row.server_cpu_us))


def parts_table(header: Header, results: Sequence[Result]) -> Table | None:
    """Return where the latency went, if there were load trials with figures."""
    lanes = [(row.lane, row.load) for row in rows(results, "load", header.scenario.lanes) if row.load is not None]
    if not lanes:
        return None
    return Table(
        title="Where the event latency went",
        head=(
            "lane",
            *("harness lag\np50 ms", "p99\nms", "queueing\np50 ms", "p99\nms", "delivery\np50 ms", "p99\nms"),
            "connect\np50 ms",
        ),
        rows=tuple((lane, *_parts(load)) for lane, load in lanes),
        notes=(
            (
                "harness lag: due to when the server's pacer woke for it; queueing: to when it was in the "
                "log; delivery, which is the lane's own part: to when it was received. connect isn't part of any other."
            ),
        ),
    )


def _parts(load: LoadRow) -> tuple[str, ...]:
    spreads: tuple[Spread, ...] = (load.lag, load.queueing, load.delivery)
    pairs = (milliseconds(value) for spread in spreads for value in (spread.p50, spread.p99))
    return (*pairs, milliseconds(load.connect.p50))


def saturated_table(header: Header, results: Sequence[Result]) -> Table | None:
    """Return how fast one connection went, if there were such trials."""
    saturated = header.scenario.saturated
    lanes = rows(results, "saturated", header.scenario.lanes)
    if saturated is None or not lanes:
        return None
    return Table(
        title=f"Saturated: {saturated.events:,} events of {saturated.size} bytes, read from a full log",
        head=(
            *("lane", "trials", "readings", GATE, "events/s"),
            *("server\nµs/event", "engine\nµs/event", "server\nCPU", "engine\nCPU"),
        ),
        rows=tuple(
            (
                row.lane,
                str(row.trials),
                str(row.readers),
                _gate(row),
                NOTHING if row.rate is None else f"{row.rate:,.0f}",
                _number(row.server_cpu_us),
                _number(row.engine_cpu_us),
                _share(row.server_share),
                _share(row.engine_share),
            )
            for row in lanes
        ),
        notes=(
            f"One connection at a time, from the start to the end, again until {saturated.seconds:g} s were measured.",
            "server, engine: CPU time for each event; on loopback the sender pays for the receiver's TCP work too.",
        ),
    )


def doubts(header: Header, results: Sequence[Result], planned: int) -> list[str]:
    """Return the run's caveats, then the worst of each name, lane and kind of trial."""
    environment, trace = header.environment, header.trace
    load = [result for result in results if result.kind == "load"]
    rounds = len({result.round for result in load or results})
    of_run = [
        *caveats.interrupted(len(results), planned),
        *caveats.preliminary(rounds),
        *caveats.placement(environment.cpus, environment.server_cpu, environment.engine_cpu),
        *caveats.congestion_control(environment.sysctls["net.ipv4.tcp_congestion_control"]),
        *(caveats.pacing() if load else []),
        *(caveats.trace(trace.skipped, trace.out_of_order) if trace else []),
    ]
    worst: dict[str, dict[str, Caveat]] = {}
    for result in results:
        for caveat in result.caveats:
            lanes = worst.setdefault(caveat.name, {})
            known = lanes.get(result.lane)
            if known is None or caveat.size > known.size:
                lanes[result.lane] = caveat
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
    return _number(None if nanoseconds is None else nanoseconds / 1e6)


def _number(value: float | None) -> str:
    if value is None:
        return NOTHING
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _share(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.0%}"


def _gate(row: Row) -> str:
    verdict = row.verdict
    counts = f"{verdict.lost}/{verdict.repeated}/{verdict.reordered}"
    return counts if verdict.ok else f"{counts}\nREFUSED"


def _missing(count: int) -> tuple[str, ...]:
    return (NOTHING,) * count
