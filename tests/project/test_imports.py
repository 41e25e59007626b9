"""Imports point one way: producers ← transports, producers ← clients, all ← benchmarks ← demos ← command."""

from __future__ import annotations

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MAY_IMPORT = {
    "producers": set[str](),
    "transports": {"producers"},
    "clients": {"producers"},
    "benchmarks": {"producers", "transports", "clients"},
    "demos": {"producers", "transports", "clients", "benchmarks"},
    "contract": {"producers", "transports", "clients"},
    "command": {"producers", "transports", "clients", "benchmarks", "demos"},
}


ORDER = {
    "benchmarks": (
        *("machine", "spec", "relay", "engine", "servers", "trial", "external", "analysis", "kinds", "experiment"),
        "report",
    ),
    "transports": (
        *("problems", "framing", "packing", "outlet", "parameters", "accept", "service", "door", "follow", "writing"),
        *("", "server"),
    ),
    "producers": ("", "log", "pacing", "upstream"),
}
"""Within a package, from what imports least to what imports most; "" is all that isn't named."""


def modules_of(module: Path) -> set[str]:
    """Return the modules that *module* imports when it runs, or what they hold, by their whole names."""
    tree = ast.parse(module.read_text())
    for_types = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    not_run = {id(inner) for node in for_types for inner in ast.walk(node)}
    found: set[str] = set()
    for node in (node for node in ast.walk(tree) if id(node) not in not_run):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def imported(module: Path) -> set[str]:
    """Return what *module* imports, anywhere in it: packages below `streamlanes`, and others."""
    return {name.removeprefix("streamlanes.").split(".")[0] for name in modules_of(module)}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    modules = list((ROOT / package).rglob("*.py"))
    assert modules
    for module in modules:
        above = (imported(module) & MAY_IMPORT.keys()) - MAY_IMPORT[package] - {package}
        assert not above, f"{module.relative_to(ROOT)} imports {above}"


@pytest.mark.parametrize("package", ORDER)
def test_inside_a_package_imports_point_one_way_too(package: str) -> None:
    order = ORDER[package]

    def place(names: str) -> int:
        first = names.split(".", maxsplit=1)[0]
        return order.index(first if first in order else "")

    for module in (ROOT / package).rglob("*.py"):
        inside = module.relative_to(ROOT / package)
        if inside.name == "__init__.py" and len(inside.parts) == 1:
            continue  # names what users need, from wherever it is
        own = place(".".join(inside.with_suffix("").parts))
        prefix = f"streamlanes.{package}."
        for name in modules_of(module):
            if name.startswith(prefix):
                assert place(name.removeprefix(prefix)) <= own, f"{package}/{inside} imports {name}"


def test_there_are_no_circles() -> None:
    modules = {
        ".".join(("streamlanes", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
        for package in MAY_IMPORT
        for path in (ROOT / package).rglob("*.py")
    }
    arrows = {
        name: {
            found
            for target in modules_of(path)
            for found in (target, target.rpartition(".")[0])
            if found in modules and found != name and not name.startswith(f"{found}.")
        }
        for name, path in modules.items()
    }
    TopologicalSorter(arrows).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("module", ["events", "errors", "wire", "backoff"])
def test_what_clients_share_with_the_server_needs_the_standard_library_only(module: str) -> None:
    assert imported(ROOT / "producers" / f"{module}.py") <= sys.stdlib_module_names | {"producers"}


def test_of_the_producers_only_upstream_needs_a_client() -> None:
    needing = {path.name for path in (ROOT / "producers").rglob("*.py") if imported(path) & {"httpx", "httpx_sse"}}
    assert needing == {"relay.py", "event_stream.py", "certificates.py"}
