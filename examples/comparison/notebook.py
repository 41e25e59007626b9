# %% [markdown]
# # What does an event cost the server, where it comes as fast as it can?
# A comparison from Python, cell by cell: editors open this file as a notebook, and `python notebook.py` runs it whole.

# %% Plan: what would be run, before anything is
import tempfile
from pathlib import Path

from streamlanes.benchmarks import compare, plan, read_results, run

experiment = plan(
    "saturated",
    lanes=["sse", "poll"],
    rounds=2,
    settings={"saturated.events": 10_000, "saturated.seconds": 0.3},
)
print(f"{experiment.count} trials, about {experiment.seconds:.0f} s")

# %% Run it: every trial has a fresh server, and its line is in the folder as it ends
folder = Path(tempfile.mkdtemp()) / "results"
run(experiment, folder)

# %% Read it, now or years later
header, results = read_results(folder)
for result in results:
    cost = result.figures.get("server_us_per_event")
    print(result.round, result.lane, result.correctness.faults() or "correct", cost)

# %% Compare: ratios with intervals; two rounds are preliminary, and say so
for entry in compare(header, results).entries:
    interval = f"{entry.low:.2f} to {entry.high:.2f}"
    print(f"{entry.metric} {entry.lane}/{entry.reference}: x{entry.ratio:.2f} ({interval}), {entry.verdict}")
