"""The comparison: plan, record, join, summarise, report, with files between the steps.

| folder | what goes in | what comes out |
| --- | --- | --- |
| `spec/` | | what a trial is, and the raw records' format |
| `machine/` | | clocks, processes, the environment |
| `relay/` | orders | a network with faults, and what it did |
| `engine/` | `spec.json` | `engine-N.json`, `events-N.bin.gz`: what each reader saw |
| `servers/`, `external/` | | servers to compare with |
| `trial/` | a workload and a contestant | `raw/TRIAL/` |
| `analysis/` | `raw/TRIAL/` | verdict, latencies, figures, caveats of one trial |
| `kinds/` | a scenario's table | workloads, and what figures they give |
| `experiment/` | a scenario | `results.jsonl` |
| `report/` | `results.jsonl` | verdicts, tables, pages |

From a program or a notebook, without the command line:

    experiment = plan("telemetry", rounds=3, lanes=["sse", "ws"])
    header, results = run(experiment, Path("results/mine"))      # later: read_results(Path("results/mine"))
    for comparison in compare(header, results).entries:
        print(comparison.lane, comparison.metric, comparison.ratio, comparison.verdict)

Imports point from later folders to earlier ones only, in this order: `machine`, `spec`, `relay`, `engine`, `servers`,
`trial`, `external`, `analysis`, `kinds`, `experiment`, `report`. Times are nanoseconds of CLOCK_MONOTONIC unless a name
says otherwise.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streamlanes.benchmarks.experiment.errors import ExperimentError
    from streamlanes.benchmarks.experiment.plan import Experiment, plan
    from streamlanes.benchmarks.experiment.results import Header, ResultsError, Run
    from streamlanes.benchmarks.experiment.results import read_ended as read_results
    from streamlanes.benchmarks.experiment.run import Observer, run
    from streamlanes.benchmarks.machine.resources import HarnessError
    from streamlanes.benchmarks.report.terminal import markdown
    from streamlanes.benchmarks.report.verdicts import compared as compare

__all__ = [
    "Experiment",
    "ExperimentError",
    "HarnessError",
    "Header",
    "Observer",
    "ResultsError",
    "Run",
    "compare",
    "markdown",
    "plan",
    "read_results",
    "run",
]

_HOMES: Final = {
    "Experiment": "experiment.plan:Experiment",
    "ExperimentError": "experiment.errors:ExperimentError",
    "HarnessError": "machine.resources:HarnessError",
    "Header": "experiment.results:Header",
    "Observer": "experiment.run:Observer",
    "ResultsError": "experiment.results:ResultsError",
    "Run": "experiment.results:Run",
    "compare": "report.verdicts:compared",
    "markdown": "report.terminal:markdown",
    "plan": "experiment.plan:plan",
    "read_results": "experiment.results:read_ended",
    "run": "experiment.run:run",
}


def __getattr__(name: str) -> object:
    # Servers and pacers under test are modules below this package: what they import is in their start and their memory.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(f"{__name__}.{module}"), attribute)
