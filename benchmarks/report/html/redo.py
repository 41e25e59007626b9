"""How to get a run and its figures anew: the command, the scenario in TOML, and what the run's folder holds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment.results import FILE, Header
from streamlanes.benchmarks.experiment.scenario import Scenario
from streamlanes.benchmarks.report.html.model import Redo


def redo(header: Header, results: Sequence[Result]) -> Redo:
    """Return how somebody who doubts the page can redo it."""
    return Redo(
        command=header.command,
        seed=header.scenario.seed,
        scenario="\n".join(_toml(_settings(header.scenario))),
        recompute=_recompute(results),
        raw=(
            f"The run's folder has every trial: its figures and whole histograms are a line of {FILE}; its readers' "
            "records and the producer's journal, from which those were computed, are in raw/ under its name."
        ),
    )


def _recompute(results: Sequence[Result]) -> str:
    """Return a program that gets a percentile of the page, from the first trial that has a histogram."""
    first = next((result for result in results if result.histograms), None)
    if first is None:
        return f'from pathlib import Path\n\nprint(Path("{FILE}").read_text())'
    name = json.dumps(next(iter(first.histograms)))
    of = json.dumps([first.kind, first.lane, dict(first.point)])
    return f"""\
import json
from hdrh.histogram import HdrHistogram

merged = HdrHistogram(1, 3_600_000_000_000, 3)  # nanoseconds, up to an hour
for line in open("{FILE}", encoding="utf-8").readlines()[1:]:
    trial = json.loads(line)
    if [trial["kind"], trial["lane"], trial["point"]] == {of} and not trial["overloaded"]:
        if {name} in trial["histograms"]:
            merged.add(HdrHistogram.decode(trial["histograms"][{name}]))
print([merged.get_value_at_percentile(at) / 1e6 for at in (50, 90, 99)], "ms")"""


def _settings(scenario: Scenario) -> Mapping[str, object]:
    """Return the scenario as it stands in a file: its parts are tables beside its limits."""
    settings: dict[str, object] = asdict(scenario)
    del settings["parts"]
    return {name: value for name, value in settings.items() if value not in ("", {})} | dict(scenario.parts)


def _toml(table: Mapping[str, object], path: str = "") -> Iterator[str]:
    """Yield the lines of a TOML document; what is None is left out, as it was in the file."""
    tables = {name: value for name, value in table.items() if isinstance(value, Mapping)}
    for name, value in table.items():
        if name not in tables and value is not None:
            # A basic string of TOML is written as one of JSON, and so are numbers, booleans and lists of them.
            yield f"{name} = {json.dumps(value, ensure_ascii=False)}"
    for name, inner in tables.items():
        yield ""
        yield f"[{path}{name}]"
        yield from _toml(inner, f"{path}{name}.")
