"""The comparison without the command line: planned, run, read and compared from Python, also by the examples."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from streamlanes import benchmarks
from streamlanes.benchmarks import ExperimentError, compare, plan, read_results, run
from streamlanes.benchmarks.analysis.result import Result
from streamlanes.benchmarks.experiment.plan import Experiment
from streamlanes.benchmarks.trial.trial import TrialPlan

EXAMPLES = Path(__file__).parents[2] / "examples" / "comparison"
SMALL = {"saturated.events": 1_000, "saturated.seconds": 0.05}


class Noting:
    """An observer that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def begins(self, experiment: Experiment, folder: Path) -> None:
        self.told.append(f"begins {experiment.count}")

    def preparing(self, what: str) -> None:
        self.told.append(what)

    def started(self, trials: Sequence[TrialPlan]) -> None:
        self.told.append("started")

    def going_on(self, seconds: float) -> None:
        pass

    def finished(self, result: Result) -> None:
        self.told.append(f"finished {result.kind} {result.lane}")


def test_an_experiment_from_plan_to_comparison(tmp_path: Path) -> None:
    experiment = plan("saturated", lanes=["ws", "ndjson"], rounds=2, settings=dict(SMALL), seed=7)
    assert not list(tmp_path.iterdir())  # nothing is written by a plan
    assert [one.name for one in experiment.contestants] == ["ws", "ndjson", "ws~again", "no readers"]
    assert experiment == plan("saturated", lanes=["ws", "ndjson"], rounds=2, settings=dict(SMALL), seed=7)
    observer = Noting()
    done = run(experiment, tmp_path / "run", observer, command="mine")
    assert done == read_results(tmp_path / "run")
    assert (done.header.command, done.header.scenario.seed, done.header.trials) == ("mine", 7, experiment.count)
    assert all(result.correct for result in done.results)
    assert observer.told[:2] == ["measuring the load engine's own ceiling", f"begins {experiment.count}"]
    assert observer.told.count("started") == experiment.count == len(done.results)
    assert "finished saturated ndjson" in observer.told
    found = compare(*done)
    assert {(entry.lane, entry.reference) for entry in found.entries} == {("ndjson", "ws"), ("ws~again", "ws")}
    assert {entry.against_itself for entry in found.entries if entry.lane == "ws~again"} == {True}
    with pytest.raises(ExperimentError, match="holds something already") as raised:
        run(experiment, tmp_path / "run")
    assert raised.value.parameter == "folder"


@pytest.mark.parametrize(
    ("parameter", "arguments"),
    [
        ("scenario", {"scenario": "nosuch"}),
        ("lanes", {"lanes": ["nosuch"]}),
        ("lanes", {"lanes": []}),
        ("rounds", {"rounds": 0}),
        ("settings", {"settings": {"load.rate": -1}}),
        ("seed", {"seed": -1}),
        ("text", {"text": ""}),
        ("text", {"scenario": "rtt", "text": "a"}),
        ("trace", {"scenario": "rtt", "trace": Path(__file__)}),
        ("trace", {"trace": Path(__file__)}),
        ("external", {"external": "nosuch"}),
        ("external", {"scenario": "telemetry", "external": "nchan", "target": "http://127.0.0.1:9"}),
        ("target", {"scenario": "saturated", "target": "http://127.0.0.1:9"}),
        ("target", {"scenario": "telemetry", "target": "http://127.0.0.1:9"}),
    ],
)
def test_what_can_not_be_run_names_the_parameter(parameter: str, arguments: dict[str, object]) -> None:
    with pytest.raises(ExperimentError) as raised:
        plan(**arguments)  # type: ignore[arg-type]  # by their names
    assert raised.value.parameter == parameter
    assert raised.value.fault


def test_a_text_is_kept_by_its_hash_only() -> None:
    experiment = plan("tokens", text="a secret", rounds=1)
    assert experiment.scenario.parts["load"]["text"] == "a secret"
    assert "secret" not in str(experiment.told_scenario)
    assert experiment.text_sha256 == "984ca5162200734c592148f1820b71057f098573d138666b48663e4e30cd8d3a"


def test_the_names_are_what_type_checkers_see() -> None:
    tree = ast.parse(Path(str(benchmarks.__file__)).read_text())
    imported = {
        alias.asname or alias.name: f"{(node.module or '').removeprefix('streamlanes.benchmarks.')}:{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("streamlanes.")
        for alias in node.names
    }
    assert imported == benchmarks._HOMES
    assert sorted(imported) == sorted(benchmarks.__all__)
    assert all(getattr(benchmarks, name) is not None for name in benchmarks.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        benchmarks.nothing  # noqa: B018 - the access is what is tested


def test_what_a_server_under_test_imports_is_not_the_whole_comparison() -> None:
    program = "import sys, streamlanes.benchmarks.servers.floor; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True, timeout=20)
    assert not {"scipy", "numpy", "rich", "streamlanes.benchmarks.experiment"} & {*done.stdout.split()}


def test_the_notebook_runs() -> None:
    command = [sys.executable, str(EXAMPLES / "notebook.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr
    assert {"1 poll correct", "2 sse~again correct"} <= {
        " ".join(line.split()[:3]) for line in done.stdout.splitlines()
    }
    assert "server_us_per_event poll/sse: x" in done.stdout
    assert "preliminary" in done.stdout


def test_the_example_of_a_limit_in_ones_own_tests_passes(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        "--rootdir",
        str(tmp_path),
    ]
    done = subprocess.run(
        [*command, str(EXAMPLES / "test_limits.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
