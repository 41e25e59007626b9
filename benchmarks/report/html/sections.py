"""Which figures the page has, in which order, with their captions. What has no data has no section."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from streamlanes.benchmarks.report.html import plots
from streamlanes.benchmarks.report.html.model import Curve, Heats, RecoveryTimeline, Report, Spread, Sweep
from streamlanes.benchmarks.report.html.numbers import listed, number, percentile
from streamlanes.benchmarks.report.html.plots import NINES, Plot
from streamlanes.benchmarks.report.html.style import Palette


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What a figure shows, as a table; the first cell of a row is its lane."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A drawing or several of one form, and one sentence on how to read it."""

    title: str
    y_title: str
    caption: str
    plots: tuple[Plot, ...]
    lanes: tuple[str, ...] = ()
    """Lanes in its legend; empty if each plot has its lane's name."""
    scale: str = ""
    """The count that has a heat map's strongest colour."""
    numbers: Numbers | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and its figures."""

    id: str
    title: str
    figures: tuple[Figure, ...]


def sections(report: Report, palette: Palette) -> Sequence[Section]:
    """Return the sections with figures that *report* has values for."""
    several = len(report.spreads) > 1
    candidates = (
        Section(
            id="spectrum",
            title="Latency by percentile",
            figures=tuple(_spectrum(spread, palette, several) for spread in report.spreads if spread.spectrum),
        ),
        Section(
            id="sweep",
            title="Latency against offered load",
            figures=tuple(_sweep(sweep, palette) for sweep in report.sweeps if sweep.lines or sweep.overloaded),
        ),
        Section(
            id="ecdf",
            title="Share of deliveries by latency",
            figures=tuple(_ecdf(spread, palette, several) for spread in report.spreads if spread.ecdf),
        ),
        Section(
            id="heat",
            title="Latency over time",
            figures=tuple(_heat(heats) for heats in report.heats if heats.maps),
        ),
        Section(id="cost", title="What it costs", figures=tuple(_cost(report, palette))),
        Section(id="recovery", title="Recovery from faults", figures=tuple(_recovery(report.recoveries, palette))),
    )
    return [section for section in candidates if section.figures]


def _spectrum(spread: Spread, palette: Palette, titled: bool) -> Figure:
    shown = [at for at in NINES if any(line.x[-1] >= at for line in spread.spectrum)]
    return Figure(
        title=spread.title if titled else "",
        y_title="latency, ms (logarithmic)",
        caption=(
            "Read it from left to right: of all deliveries, the percentage on the axis took no longer than the line is "
            "high; each step is ten times rarer, and a line ends where its samples no longer support a percentile."
        ),
        plots=(plots.spectrum(spread, palette),),
        lanes=_lanes(spread.spectrum),
        numbers=Numbers(
            caption="Latency in ms by percentile; empty where there are too few samples.",
            head=("lane", *(percentile(at) for at in shown)),
            rows=tuple((line.lane, *(_value(line, at) for at in shown)) for line in spread.spectrum),
        ),
    )


def _ecdf(spread: Spread, palette: Palette, titled: bool) -> Figure:
    return Figure(
        title=spread.title if titled else "",
        y_title="share of deliveries",
        caption=(
            "For a time on the axis, the line's height is the share of deliveries that took no longer: further left is "
            "faster, steeper is steadier."
        ),
        plots=(plots.ecdf(spread, palette),),
        lanes=_lanes(spread.ecdf),
    )


def _sweep(sweep: Sweep, palette: Palette) -> Figure:
    lanes = tuple(dict.fromkeys(line.lane for line in (*sweep.lines, *sweep.overloaded)))
    knees = dict(sweep.knees)
    highest = {line.lane: line.x[-1] for line in sweep.lines}
    return Figure(
        title=sweep.title,
        y_title=f"{sweep.y_title}, ms (logarithmic)",
        caption=(
            "Each point is the median of its rounds at one load; the ring is the knee, the highest load that the lane "
            "kept up with, and a cross at the top is a load at which it did not, so that it has no latency there."
        ),
        plots=(plots.sweep(sweep, palette),),
        lanes=lanes,
        numbers=Numbers(
            caption=f"The highest of the loads tried that each lane kept up with, in {sweep.x_title}.",
            head=("lane", "kept up with", "and no more"),
            rows=tuple(
                (lane, number(highest[lane]) if lane in highest else "none", "yes" if lane in knees else "not reached")
                for lane in lanes
            ),
        ),
    )


def _heat(heats: Heats) -> Figure:
    brightest = max(max(map(max, of.heat.counts)) for of in heats.maps)
    used = [
        place for of in heats.maps for place, counts in enumerate(zip(*of.heat.counts, strict=True)) if any(counts)
    ] or [0]
    return Figure(
        title=heats.title,
        y_title="latency, ms (logarithmic)",
        caption=(
            "Each cell counts the deliveries that were due at that second and took that long, all rounds laid over one "
            "another; a stall is a streak that leaves the band, a trend bends it."
        ),
        plots=tuple(plots.heat(of, brightest, min(used), max(used) + 1) for of in heats.maps),
        scale=number(brightest),
    )


def _cost(report: Report, palette: Palette) -> Iterator[Figure]:
    costs = [cost for cost in report.costs if cost.bars]
    if costs:
        yield Figure(
            title="",
            y_title="",
            caption=(
                "A bar is the median over rounds, the thin line the smallest and the largest round; shorter is cheaper."
            ),
            plots=tuple(plots.cost(cost, palette) for cost in costs),
        )


def _recovery(recoveries: Sequence[RecoveryTimeline], palette: Palette) -> Iterator[Figure]:
    if not recoveries:
        return
    names = list(dict.fromkeys(name for of in recoveries for _, name in of.timeline.faults))
    numbered = {name: place for place, name in enumerate(names, start=1)}
    most = max(max(of.timeline.delivered) / of.timeline.seconds for of in recoveries)
    key = listed([f"{place} {name}" for name, place in numbered.items()])
    yield Figure(
        title="",
        y_title="deliveries per second; below, reconnects",
        caption=(
            f"The first round of each lane; a dotted line is a fault ({key}). Deliveries that fall to nothing and then "
            "jump above their rate were kept and sent late; tall bars below are readers that came back all at once."
        ),
        plots=tuple(plots.recovery(of, palette, numbered, most) for of in recoveries),
    )


def _lanes(lines: Sequence[Curve]) -> tuple[str, ...]:
    return tuple(line.lane for line in lines)


def _value(line: Curve, at: float) -> str:
    return next((number(y) for x, y in zip(line.x, line.y, strict=True) if x >= at), "")
