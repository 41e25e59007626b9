"""From a run's results to the page's values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from statistics import median

from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment.results import Header
from streamlanes.benchmarks.machine.environment import Environment
from streamlanes.benchmarks.report.comparison import Comparison as Entry
from streamlanes.benchmarks.report.comparison import Comparisons
from streamlanes.benchmarks.report.html import distributions, model, words
from streamlanes.benchmarks.report.html.distributions import KindPoint, counting, names, representative
from streamlanes.benchmarks.report.html.numbers import listed, number
from streamlanes.benchmarks.report.html.redo import redo
from streamlanes.benchmarks.report.html.words import PRINCIPAL
from streamlanes.benchmarks.spec.metrics import METRICS, Metric
from streamlanes.benchmarks.spec.role import Role
from streamlanes.benchmarks.trial.target import TargetInfo


def view(header: Header, results: Sequence[Result], comparisons: Comparisons, doubts: Sequence[str]) -> model.Report:
    """Return the page of a run; *doubts*: its caveats, a sentence each."""
    read = [result for result in results if result.role is not Role.ALONE]  # nobody's lane: the tables have its cost
    lanes = tuple(dict.fromkeys([*header.scenario.lanes, *(result.lane for result in read)]))
    ordered = sorted(read, key=lambda result: (lanes.index(result.lane), result.round))
    places: dict[KindPoint, list[Result]] = {}
    for result in ordered:
        places.setdefault((result.kind, tuple(result.point.items())), []).append(result)
    shown = dict(representative(places))
    sweeps = tuple(distributions.sweeps(places))
    refused = [result for result in ordered if not result.correctness.ok]
    return model.Report(
        title=header.scenario.name,
        started=header.started.replace("T", " ")[:16] + " UTC",
        facts=tuple(_facts(header, results, lanes)),
        lanes=lanes,
        twice={result.lane: result.of_lane for result in read if result.role is Role.AGAIN},
        finding=words.finding(
            _leading(comparisons.entries, shown.values()),
            lanes,
            refused=_counted(refused, results),
            loads=tuple(_loads(places, sweeps)),
            path=header.environment.connections,
        ),
        comparisons=tuple(_comparisons(places, shown, comparisons.entries)),
        refused=tuple(
            f"{result.lane}, {_where(result, places)}, round {result.round}: {result.correctness.faults()} "
            f"(raw/{result.trial})"
            for result in refused
        ),
        spreads=tuple(distributions.spreads(places, shown, header)),
        sweeps=sweeps,
        heats=tuple(distributions.heats(places, shown)),
        costs=tuple(distributions.costs(places, shown)),
        recoveries=tuple(distributions.recoveries(ordered)),
        caveats=tuple(doubts),
        environment=(*_target(header.target), *_environment(header.environment)),
        redo=redo(header, results),
    )


def _facts(header: Header, results: Sequence[Result], lanes: Sequence[str]) -> Iterator[model.Fact]:
    rounds = len({result.round for result in results})
    yield model.Fact(name="lanes", value=str(len(lanes)))
    yield model.Fact(name="rounds", value=str(rounds))
    yield model.Fact(name="trials", value=f"{len(results):,}")
    yield model.Fact(name="deliveries", value=f"{sum(result.events for result in results):,}")
    yield model.Fact(name="seed", value=str(header.scenario.seed))


def _where(result: Result, places: Mapping[KindPoint, Sequence[Result]]) -> str:
    several = sum(kind == result.kind for kind, _ in places) > 1
    return words.place(result.kind, dict(result.point), several=several).lower()


def _loads(places: Mapping[KindPoint, Sequence[Result]], sweeps: Sequence[model.Sweep]) -> Iterator[str]:
    """Yield a sentence on the lanes that were overloaded, and one on what each could bear where that was varied."""
    for place, trials in places.items():
        several = sum(kind == place[0] for kind, _ in places) > 1
        over = [trial for trial in trials if trial.overloaded and not several]
        lanes = _counted(over, trials)
        if lanes:
            yield f"{words.kind(place[0])}, overloaded and so without latency: {listed(lanes)}."
    for sweep in sweeps:
        if sweep.knees:
            knees = [f"{lane} with {number(knee)}" for lane, knee in sweep.knees]
            yield f"{sweep.title}: of the loads tried, in {sweep.x_title}, lanes kept up at most so: {listed(knees)}."


def _leading(entries: Sequence[Entry], shown: Iterable[KindPoint]) -> list[Entry]:
    """Return, of each metric, the comparisons of the first kind of trial that has it: those that words are made of."""
    leading: dict[str, list[Entry]] = {}
    for kind, point in shown:
        here = [entry for entry in entries if entry.kind == kind and dict(entry.point) == dict(point)]
        for name in {entry.metric for entry in here} - leading.keys():
            leading[name] = [entry for entry in here if entry.metric == name]
    return [entry for name in METRICS for entry in leading.get(name, ())]


def _counted(some: Sequence[Result], of: Sequence[Result]) -> list[str]:
    """Return the lanes of *some*, each with how many trials that are, of how many."""
    return [
        f"{lane} in {sum(one.lane == lane for one in some)} of {sum(one.lane == lane for one in of)} trials"
        for lane in names(some)
    ]


def _comparisons(
    places: Mapping[KindPoint, Sequence[Result]], shown: Mapping[str, KindPoint], entries: Sequence[Entry]
) -> Iterator[model.ComparisonTable]:
    """Yield what people choose by, kind by kind; then, to be opened, the rest."""
    for folded in (False, True):
        for place, trials in places.items():
            kind, point = place
            here = [entry for entry in entries if entry.kind == kind and dict(entry.point) == dict(point)]
            several = sum(other == kind for other, _ in places) > 1
            principal = shown[kind] == place
            names = [
                name
                for name in METRICS
                if (name in PRINCIPAL and principal) is not folded
                and (
                    any(entry.metric == name for entry in here)
                    # With a round or a lane alone there are medians all the same.
                    or (not folded and any(name in trial.figures for trial in trials))
                )
            ]
            if names:
                title = words.place(kind, dict(point), several=several)
                yield model.ComparisonTable(
                    title=f"{title}: {'further metrics' if principal else 'all metrics'}" if folded else title,
                    baseline=here[0].reference if here else "",
                    groups=tuple(_group(METRICS[name], trials, here) for name in names),
                    folded=folded,
                )


def _group(metric: Metric, trials: Sequence[Result], entries: Sequence[Entry]) -> model.Group:
    of_metric = {entry.lane: entry for entry in entries if entry.metric == metric.name}
    baseline = next((entry.reference for entry in of_metric.values()), "")
    return model.Group(
        title=words.heading(metric.name),
        unit=words.unit(metric),
        better=metric.better,
        meaning=metric.meaning,
        margin=max((entry.margin for entry in of_metric.values()), default=0.0),
        rows=tuple(
            _row(lane, metric, [trial for trial in trials if trial.lane == lane], of_metric.get(lane), baseline)
            for lane in names(trials)
        ),
    )


def _row(
    lane: str, metric: Metric, trials: Sequence[Result], entry: Entry | None, baseline: str
) -> model.ComparisonRow:
    values = [trial.figures[metric.name] for trial in counting(trials, metric) if metric.name in trial.figures]
    refused = sum(not trial.correctness.ok for trial in trials)
    over = sum(trial.overloaded for trial in trials) if metric.of_latency else 0
    remarks = [
        f"{word} in {count} of {len(trials)} rounds" if count < len(trials) else word
        for word, count in (("refused", refused), ("overloaded", over))
        if count
    ]
    if not values:
        return model.ComparisonRow(lane=lane, median="", remark=", ".join(remarks) or "not known")
    return model.ComparisonRow(
        lane=lane,
        median=number(median(values)),
        ratio=None if entry is None else model.Ratio(mid=entry.ratio, low=entry.low, high=entry.high),
        judgement="baseline" if lane == baseline else None if entry is None else entry.verdict,
        remark=", ".join(remarks),
    )


def _target(target: TargetInfo | None) -> Iterator[model.Fact]:
    """Yield what is known of a server that isn't ours."""
    if target is not None:
        yield model.Fact(name="target", value=f"{target.url}: {target.status}, server {target.server or 'unknown'}")


def _environment(environment: Environment) -> Iterator[model.Fact]:
    """Yield all of it: whoever repeats a run may need any."""
    for name, value in asdict(environment).items():
        if isinstance(value, Mapping):
            text = ", ".join(f"{key} {item}" for key, item in value.items())
        else:
            text = "none" if value is None else str(value)
        yield model.Fact(name=name.replace("_", " "), value=text)
