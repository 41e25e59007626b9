"""Imports point one way: producers ← transports, producers ← clients, all ← benchmarks ← demos ← command."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MAY_IMPORT = {
    "producers": set[str](),
    "transports": {"producers"},
    "clients": {"producers"},
    "benchmarks": {"producers", "transports", "clients"},
    "demos": {"producers", "transports", "clients", "benchmarks"},
    "command": {"producers", "transports", "clients", "benchmarks", "demos"},
}


def imported(module: Path) -> set[str]:
    """Return what *module* imports, anywhere in it: packages below `streamlanes`, and others."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("streamlanes.").split(".")[0] for name in found}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    modules = list((ROOT / package).rglob("*.py"))
    assert modules
    for module in modules:
        above = (imported(module) & MAY_IMPORT.keys()) - MAY_IMPORT[package] - {package}
        assert not above, f"{module.relative_to(ROOT)} imports {above}"


@pytest.mark.parametrize("module", ["events", "errors", "wire", "backoff"])
def test_what_clients_share_with_the_server_needs_the_standard_library_only(module: str) -> None:
    assert imported(ROOT / "producers" / f"{module}.py") <= sys.stdlib_module_names | {"producers"}


def test_of_the_producers_only_upstream_needs_a_client() -> None:
    needing = {path.name for path in (ROOT / "producers").rglob("*.py") if imported(path) & {"httpx", "httpx_sse"}}
    assert needing == {"relay.py"}
