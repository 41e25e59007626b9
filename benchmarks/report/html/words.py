"""The verdict in plain words: which lane is better or worse at what, and what must not be read into it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from streamlanes.benchmarks import kinds
from streamlanes.benchmarks.analysis.caveats import ROUNDS_FOR_A_VERDICT
from streamlanes.benchmarks.report.comparison import Comparison
from streamlanes.benchmarks.report.html.model import Finding, Standing
from streamlanes.benchmarks.report.html.numbers import listed, times
from streamlanes.benchmarks.spec.metrics import METRICS, Metric

CPU: Final = "server_us_per_event"
PRINCIPAL: Final = (
    "latency_p99_ms", "rtt_p99_ms", CPU, "sustainable_rate", "latency_p50_ms", "rtt_p50_ms",
    "goodput", "rate", "first_event_p50_ms", "recovery_p50_ms", "recovery_max_ms", "idle_bytes_per_reader",
    "bytes_down_per_event",
)  # fmt: skip
"""What people choose by, the most important first; the other metrics explain these."""

_NAMES: Final = {
    "latency_p99_ms": "p99 latency",
    "latency_p50_ms": "median latency",
    "rtt_p99_ms": "p99 round trip",
    "rtt_p50_ms": "median round trip",
    CPU: "server CPU per event",
    "sustainable_rate": "sustainable rate",
    "rate": "events per second",
    "first_event_p50_ms": "time to the first event",
    "recovery_p50_ms": "time to recover",
    "recovery_max_ms": "longest recovery",
    "idle_bytes_per_reader": "memory per idle reader",
    "bytes_down_per_event": "bytes down per event",
    "bytes_up_per_event": "bytes up per event",
    "segments_per_event": "TCP segments per event",
    "idle_slab_bytes_per_reader": "kernel memory per idle reader",
    "wakeups_per_reader": "wakeups per idle reader",
    "latency_p90_ms": "p90 latency",
    "latency_p999_ms": "p99.9 latency",
    "latency_max_ms": "longest latency",
}
_POINTS: Final = {"rate": "events/s", "offered": "deliveries/s offered"}


def kind(name: str) -> str:
    """Return what a kind of trial is called on the page."""
    return kinds.discover()[name].heading


def place(name: str, point: dict[str, float], *, several: bool) -> str:
    """Return a kind of trial and, if it has *several* points, which of them."""
    at = ", ".join(f"{value:,.6g} {_POINTS.get(key, key)}" for key, value in point.items())
    return f"{kind(name)}, {at}" if several and at else kind(name)


def metric(name: str) -> str:
    """Return what a metric is called within a sentence."""
    return _NAMES.get(name) or METRICS[name].title


def heading(name: str) -> str:
    """Return what a metric is called over a table or a figure."""
    words = metric(name)
    return words[:1].upper() + words[1:] if not words.startswith("p9") else words


def unit(of: Metric) -> str:
    """Return the metric's unit as it is printed."""
    return of.unit.replace("us/", "µs/")


def finding(
    entries: Sequence[Comparison], lanes: Sequence[str], *, refused: Sequence[str], loads: Sequence[str], path: str
) -> Finding:
    """Say what *entries* come to, one of each metric and lane.

    *refused*: lanes, and in how many trials; *loads*: sentences on what was too much; *path*: between server and
    readers.
    """
    between = [entry for entry in entries if not entry.against_itself]
    against_itself = [entry for entry in entries if entry.against_itself]
    decided = [entry for entry in between if entry.verdict in {"better", "worse", "equivalent"}]
    return Finding(
        headline=_headline(between, decided) + _also(refused),
        lanes=tuple(_standings(decided, lanes)),
        details=(*loads, *_itself(against_itself)),
        not_said=tuple(_not_said(between, against_itself, path)),
    )


def _headline(between: Sequence[Comparison], decided: Sequence[Comparison]) -> str:
    if not between:
        return "Nothing could be compared: that takes two lanes with figures of the same two rounds, or more."
    rounds = max(entry.rounds for entry in between)
    reference = between[0].reference
    if rounds < ROUNDS_FOR_A_VERDICT:
        return (
            f"No verdict: {rounds} {'round was' if rounds == 1 else 'rounds were'} run and "
            f"{ROUNDS_FOR_A_VERDICT} are needed, so any difference below may be chance."
        )
    clauses = list(_clauses(decided))
    if not clauses:
        return f"No lane was shown to differ from {reference} in what people choose by."
    return f"Against {reference}, {'; '.join(clauses)}."


def _clauses(decided: Sequence[Comparison]) -> Iterator[str]:
    """Yield who is better and worse at the first latency that there is and at CPU time, lanes alike in one clause."""
    differing = {entry.metric for entry in decided if entry.verdict != "equivalent"}
    chosen = [name for name in PRINCIPAL if name in differing]
    chosen = [name for name in chosen if name == CPU or name == next(n for n in chosen if n != CPU)]
    alike: dict[tuple[str, ...], list[str]] = {}
    for lane in dict.fromkeys(entry.lane for entry in decided):
        found = {entry.metric: entry.verdict for entry in decided if entry.lane == lane}
        alike.setdefault(tuple(found.get(name, "") for name in chosen), []).append(lane)
    named = False
    for pattern, lanes in alike.items():
        parts = [
            f"{word} on {'both' if named and len(on) > 1 else listed(on)}"
            for word in ("better", "worse")
            if (on := [metric(name) for name, verdict in zip(chosen, pattern, strict=True) if verdict == word])
        ]
        if parts:
            named = named or (not all(word in pattern for word in ("better", "worse")) and "" not in pattern)
            yield f"{listed(lanes)} {'is' if len(lanes) == 1 else 'are'} {' and '.join(parts)}"


def _also(refused: Sequence[str]) -> str:
    return f" Refused for events lost or changed: {listed(list(refused))}." if refused else ""


def _standings(decided: Sequence[Comparison], lanes: Sequence[str]) -> Iterator[Standing]:
    """Yield what people choose by, lane by lane, for those that have verdicts on any of it."""
    for lane in lanes:
        better, worse, equivalent = (
            listed(_named([entry for entry in decided if (entry.lane, entry.verdict) == (lane, word)], word))
            for word in ("better", "worse", "equivalent")
        )
        if better or worse or equivalent:
            yield Standing(lane=lane, better=better, worse=worse, equivalent=equivalent)


def _named(entries: Sequence[Comparison], word: str) -> list[str]:
    """Return the principal metrics of *entries*, each with its ratio."""
    ratios = {entry.metric: f" (×{times(entry.ratio)})" for entry in entries}  # noqa: RUF001 - as many times
    return [metric(name) + ("" if word == "equivalent" else ratios[name]) for name in PRINCIPAL if name in ratios]


def _itself(entries: Sequence[Comparison]) -> Iterator[str]:
    """Yield how the lanes that ran twice did against themselves."""
    for lane in dict.fromkeys(entry.reference for entry in entries):
        of_lane = [entry for entry in entries if entry.reference == lane]
        apart = [metric(entry.metric) for entry in of_lane if entry.verdict in {"better", "worse"}]
        if apart:
            yield f"{lane} differs from itself on {listed(apart)}: don't trust differences of that size."
        elif all(entry.verdict == "equivalent" for entry in of_lane):
            yield f"{lane} against itself, run as a check of the harness, is equivalent everywhere, as it should be."


def _not_said(between: Sequence[Comparison], itself: Sequence[Comparison], path: str) -> Iterator[str]:
    yield f"What a deployment's network adds. Between server and readers was: {path}."
    yield "How a lane does under another load, payload or machine; figures of two runs aren't to be set side by side."
    yield "What a browser or a user's library adds: one engine read every lane, so that lanes and not clients differ."
    if any(entry.verdict == "undecided" for entry in between):
        yield "That undecided lanes are equal: their intervals reach over the margin, and more rounds may narrow them."
    if any(entry.verdict == "incomplete" for entry in between):
        yield "Anything of lanes marked incomplete: trials of theirs were left out, the others would flatter them."
    if between and not itself:
        yield "How much the harness itself scatters: no lane was run against itself."
