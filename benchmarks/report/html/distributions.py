"""From trials to what is drawn of them: distributions, sweeps, heat maps, costs and recoveries.

Histograms are merged over trials, and percentiles never averaged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Final, TypeAlias

from streamlanes.benchmarks.analysis.figures import Heat
from streamlanes.benchmarks.analysis.histogram import Histogram, is_supported
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment.results import Header
from streamlanes.benchmarks.report.html import model, words
from streamlanes.benchmarks.report.rows import COST, floor_of
from streamlanes.benchmarks.spec.metrics import METRICS, Metric
from streamlanes.benchmarks.spec.role import Role

KindPoint: TypeAlias = tuple[str, tuple[tuple[str, float], ...]]
"""A kind of trial and a point of it."""

LATENCIES: Final = ("latency", "rtt")
"""The histograms of which there are figures."""
STEPS: Final = 20
"""Points of a spectrum between two nines."""
COSTS: Final = (
    "server_us_per_event", "bytes_down_per_event", "bytes_up_per_event", "segments_per_event", "idle_bytes_per_reader",
    "idle_slab_bytes_per_reader", "wakeups_per_reader",
)  # fmt: skip
_SWEPT: Final = {"readers": "readers", "rate": "events per second offered", "offered": "deliveries per second offered"}


def representative(places: Mapping[KindPoint, Sequence[Result]]) -> Iterator[tuple[str, KindPoint]]:
    """Yield for each kind of trial the point whose distributions are shown: the one that isn't of a sweep, or
    else the last that most lanes kept up with.
    """
    for kind in dict.fromkeys(kind for kind, _ in places):
        points = [place for place in places if place[0] == kind]
        yield kind, max(points, key=lambda place: (not place[1], len(names(kept(places[place]))), place[1]))


def kept(results: Sequence[Result]) -> list[Result]:
    """Return the trials that have a latency: correct and not overloaded."""
    return [result for result in results if result.correctness.ok and not result.overloaded]


def counting(results: Sequence[Result], metric: Metric) -> list[Result]:
    """Return the trials whose figure counts: an overloaded lane has costs, and no latency."""
    return kept(results) if metric.of_latency else [result for result in results if result.correctness.ok]


def names(results: Sequence[Result]) -> list[str]:
    """Return the lanes of *results*, each once."""
    return list(dict.fromkeys(result.lane for result in results))


def spreads(
    places: Mapping[KindPoint, Sequence[Result]], shown: Mapping[str, KindPoint], header: Header
) -> Iterator[model.Spread]:
    """Yield the distributions of latency, kind by kind."""
    for kind, place in shown.items():
        good = kept(places[place])
        name = next((name for name in LATENCIES if any(name in trial.histograms for trial in good)), None)
        if name is None:
            continue
        spectrum: list[model.Curve] = []
        ecdf: list[model.Curve] = []
        for lane in names(good):
            trials = [trial for trial in good if trial.lane == lane and name in trial.histograms]
            if trials:
                merged = Histogram.merged(trial.histograms[name] for trial in trials)
                samples = sum(trial.samples[name] for trial in trials)
                spectrum += _spectrum(lane, merged, samples)
                ecdf += _ecdf(lane, merged, samples)
        deadline = header.scenario.parts.get(kind, {}).get("deadline")
        yield model.Spread(
            title=words.place(kind, dict(place[1]), several=sum(other == kind for other, _ in places) > 1),
            spectrum=tuple(spectrum),
            ecdf=tuple(ecdf),
            deadline_ms=deadline * 1e3 if isinstance(deadline, float) else None,
        )


def _spectrum(lane: str, merged: Histogram, samples: int) -> Iterator[model.Curve]:
    """Yield the percentiles that *samples* support, in steps that are even where nines are."""
    steps = [100 * (1 - 10 ** (-step / STEPS)) for step in range(6 * STEPS)]
    exact = (50.0, 90.0, 99.0, 99.9, 99.99, 99.999)
    far = [value for value in steps if all(abs(value - at) > 1e-9 for at in exact)]
    at = [value for value in sorted([*far, *exact]) if is_supported(value, samples)]
    if at and len(merged):
        yield model.Curve(lane=lane, x=tuple(at), y=tuple(value / 1e6 for value in merged.percentiles(at)))


def _ecdf(lane: str, merged: Histogram, samples: int) -> Iterator[model.Curve]:
    """Yield the shares from 0 to 1, as far as *samples* have such fractions."""
    if len(merged):
        steps = min(200, samples)
        shares = [step / steps for step in range(1, steps + 1)]
        times = merged.percentiles([share * 100 for share in shares])
        yield model.Curve(lane=lane, x=tuple(value / 1e6 for value in times), y=tuple(shares))


def sweeps(places: Mapping[KindPoint, Sequence[Result]]) -> Iterator[model.Sweep]:
    """Yield latency against load for each kind of trial that was made at several loads."""
    for kind in dict.fromkeys(kind for kind, _ in places):
        points = [place for place in places if place[0] == kind]
        axis = _swept([dict(point) for _, point in points])
        if axis is None:
            continue
        at = sorted((dict(place[1])[axis], place) for place in points if axis in dict(place[1]))
        trials = [trial for _, place in at for trial in places[place] if trial.correctness.ok]
        name = next((n for n in ("latency_p99_ms", "latency_p50_ms") if any(n in t.figures for t in trials)), None)
        if name is None:
            continue
        lines: list[model.Curve] = []
        over: list[model.Curve] = []
        knees: list[tuple[str, float]] = []
        for lane in names(trials):
            line, beyond = _lane_of_sweep(lane, name, [(x, places[place]) for x, place in at])
            lines += [line] if line.x else []
            over += [beyond] if beyond.x else []
            if line.x and beyond.x and max(beyond.x) > line.x[-1]:
                knees.append((lane, line.x[-1]))
        yield model.Sweep(
            title=words.kind(kind),
            x_title=_SWEPT.get(axis, axis),
            y_title=words.metric(name),
            lines=tuple(lines),
            overloaded=tuple(over),
            knees=tuple(knees),
        )


def _swept(points: Sequence[Mapping[str, float]]) -> str | None:
    """Return the setting that is varied; with the readers the rate may vary too, and is a consequence then."""
    there = dict.fromkeys(name for point in points for name in point)
    varied = [name for name in there if len({point[name] for point in points if name in point}) > 1]
    return next((name for name in ("readers", "rate") if name in varied), varied[0] if varied else None)


def _lane_of_sweep(
    lane: str, metric: str, at: Sequence[tuple[float, Sequence[Result]]]
) -> tuple[model.Curve, model.Curve]:
    """Return a lane's latencies and the loads without: those that it didn't keep up with in half of its rounds."""
    points, over = [], []
    for x, results in at:
        trials = [trial for trial in results if trial.lane == lane and trial.correctness.ok]
        values = [trial.figures[metric] for trial in kept(trials) if metric in trial.figures]
        if trials and sum(trial.overloaded for trial in trials) * 2 > len(trials):
            over.append(x)
        elif values:
            points.append((x, median(values)))
    line = model.Curve(lane=lane, x=tuple(x for x, _ in points), y=tuple(y for _, y in points))
    return line, model.Curve(lane=lane, x=tuple(over), y=())


def heats(places: Mapping[KindPoint, Sequence[Result]], shown: Mapping[str, KindPoint]) -> Iterator[model.Heats]:
    """Yield latency over time, kind by kind, all rounds added up."""
    for kind, place in shown.items():
        good = kept(places[place])
        maps = [
            model.HeatMap(lane=lane, heat=added)
            for lane in names(good)
            if (added := _added([t.heat for t in good if t.lane == lane and t.heat is not None])) is not None
        ]
        if maps:
            several = sum(other == kind for other, _ in places) > 1
            yield model.Heats(title=words.place(kind, dict(place[1]), several=several), maps=tuple(maps))


def _added(heats: Sequence[Heat]) -> Heat | None:
    """Return the sum of those that have the first one's edges."""
    if not heats or not heats[0].counts:
        return None
    alike = [heat for heat in heats if (heat.seconds, heat.milliseconds) == (heats[0].seconds, heats[0].milliseconds)]
    counts = tuple(
        tuple(map(sum, zip(*rows, strict=True))) for rows in zip(*(heat.counts for heat in alike), strict=True)
    )
    return Heat(seconds=heats[0].seconds, milliseconds=heats[0].milliseconds, counts=counts)


def costs(places: Mapping[KindPoint, Sequence[Result]], shown: Mapping[str, KindPoint]) -> Iterator[model.Cost]:
    """Yield the costs that are known, one metric after the other."""
    for name in COSTS:
        metric = METRICS[name]
        kinds = [kind for kind, place in shown.items() if any(name in trial.figures for trial in places[place])]
        for kind in kinds:
            trials = [trial for trial in counting(places[shown[kind]], metric) if name in trial.figures]
            bars = []
            for lane in names(trials):
                values = [trial.figures[name] for trial in trials if trial.lane == lane]
                bars.append(model.Bar(lane=lane, value=median(values), low=min(values), high=max(values)))
            if name == COST:
                bars = _over_the_floor(bars, trials)
            title = words.heading(name)
            yield model.Cost(
                title=f"{title}, {words.kind(kind).lower()}" if len(kinds) > 1 else title,
                unit=words.unit(metric),
                meaning=metric.meaning,
                bars=tuple(bars),
            )


def _over_the_floor(bars: Sequence[model.Bar], trials: Sequence[Result]) -> list[model.Bar]:
    """Say of each lane's bar what multiple it is of its floor's, if there is one."""
    first = {trial.lane: trial for trial in reversed(trials)}
    values = {bar.lane: bar.value for bar in bars}
    floors = [trial for trial in first.values() if trial.role is Role.FLOOR and values[trial.lane]]
    noted = []
    for bar in bars:
        floor = floor_of(first[bar.lane], floors)
        note = bar.note if floor is None else f"{bar.value / values[floor.lane]:.1f} x {floor.lane}"
        noted.append(replace(bar, note=note))
    return noted


def recoveries(results: Sequence[Result]) -> Iterator[model.RecoveryTimeline]:
    """Yield each lane's first round under faults."""
    for lane in names(results):
        first = next((r for r in results if r.lane == lane and r.correctness.ok and r.timeline is not None), None)
        if first is not None and first.timeline is not None and first.timeline.delivered:
            yield model.RecoveryTimeline(lane=lane, timeline=first.timeline)
