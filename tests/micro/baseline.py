"""A run that was kept, and what may be said of another one against it.

Times are those of one machine. On the same one (`same_machine`) a step whose fastest round takes longer than before, by
more than the tolerance that `make micro` states, fails; the fastest, since other processes can only add to it. On
another machine nothing fails: what can be carried there are ratios, of each step to `json.dumps` of the same values in
the same run. They too depend on the interpreter and the CPU, but by tenths and not by factors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypedDict

REFERENCE: Final = "test_json_dumps"
USUAL: Final = f"{REFERENCE}[1024B-x256]"
"""The reference of steps that have no payload."""
KEPT_STATS: Final = ("min", "max", "mean", "median", "stddev", "iqr", "ops", "rounds", "iterations", "outliers")
"""What the plugin's table can show."""
KEPT_MACHINE: Final = ("system", "machine", "python_implementation", "python_version", "cpu")
KEPT_CPU: Final = ("brand_raw", "count", "family", "model", "stepping")


class Stored(TypedDict):
    """A step in pytest-benchmark's file."""

    fullname: str
    stats: dict[str, float | str]
    options: dict[str, object]


class Run(TypedDict):
    """pytest-benchmark's file."""

    machine_info: dict[str, object]
    commit_info: dict[str, object]
    benchmarks: list[Stored]
    datetime: str


class Shown(TypedDict):
    """A step as the plugin prints it: of this run (`source` is NOW), or of the one that it is compared with."""

    name: str
    fullname: str
    params: Mapping[str, object] | None
    source: str
    min: float


def reduce_machine(machine: dict[str, object]) -> None:
    """Drop from *machine* what changes from boot to boot, and what is nobody's business: names, kernel builds, MHz."""
    cpu = machine.get("cpu")
    machine["cpu"] = {name: cpu[name] for name in KEPT_CPU if name in cpu} if isinstance(cpu, Mapping) else {}
    for name in machine.keys() - KEPT_MACHINE:
        del machine[name]


def reduce_run(run: Run) -> None:
    """Drop from *run* the times of single rounds, the commit, the date, and what is the same for every step."""
    run["commit_info"], run["datetime"] = {}, ""
    for step in run["benchmarks"]:
        step["stats"] = {name: _four_digits(step["stats"][name]) for name in KEPT_STATS}
        step["options"] = {}


def same_machine(machine: dict[str, object], run: Run) -> bool:
    """Say whether *run* was made on such a machine, by the same interpreter."""
    return run["machine_info"] == machine


def ratios(steps: Sequence[Shown]) -> dict[str, float]:
    """Return each step's fastest time over that of its reference, where that was run too."""
    times = {step["name"]: step["min"] for step in steps if step["name"].startswith(REFERENCE)}
    found: dict[str, float] = {}
    for step in steps:
        reference = times.get(_reference(step["params"] or {}))
        if reference is not None:
            found[step["fullname"].rpartition("/")[2]] = step["min"] / reference
    return found


def ratio_table(steps: Sequence[Shown]) -> Iterator[str]:
    """Yield the lines of a table of ratios, before and now; nothing if *steps* aren't of two runs."""
    now = ratios([step for step in steps if step["source"] == "NOW"])
    before = ratios([step for step in steps if step["source"] != "NOW"])
    if not (now and before):
        return
    yield f"{'times json.dumps of the same values':<72}{'baseline':>10}{'now':>10}{'':>8}"
    for name in sorted(now.keys() & before.keys()):
        yield f"{name:<72}{before[name]:>10.3f}{now[name]:>10.3f}{now[name] / before[name] - 1:>+8.0%}"


def _four_digits(value: float | str) -> float | str:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _reference(params: Mapping[str, object]) -> str:
    return f"{REFERENCE}[{params['size']}B-x{params['count']}]" if "size" in params else USUAL
