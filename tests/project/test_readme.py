"""What the README shows works as it stands there."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from tests.serving import serving_app

README = (Path(__file__).parents[2] / "README.md").read_text()


def snippets() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README, re.DOTALL)


async def test_the_producer_is_served_and_the_client_reads_it() -> None:
    serve, read = snippets()
    served: dict[str, FastAPI] = {}
    exec(compile(serve, "README.md", "exec"), served)
    printed: list[tuple[object, ...]] = []
    reading: dict[str, Any] = {"print": lambda *values: printed.append(values)}
    async with asyncio.timeout(20), serving_app(served["app"]) as url:
        source = read.replace("http://127.0.0.1:8000", url)
        await asyncio.to_thread(exec, compile(source, "README.md", "exec"), reading)  # it has a loop of its own
    assert printed[:3] == [(1, "1"), (2, "2"), (3, "3")]
    assert str(printed[3][0]) == "completed"


def test_the_tests_that_the_guarantees_name_are_there() -> None:
    tests = Path(__file__).parents[1]
    rows = [line for line in (tests.parent / "docs" / "guarantees.md").read_text().splitlines() if line[:2] == "| "]
    promises = [row.split(" | ")[-1] for row in rows if not row.startswith(("| promise", "| ---"))]
    for shown_by in promises:
        named = re.findall(r"`((?:\w+/)+\w+\.py)`", shown_by)
        assert named, shown_by
        assert all((tests / name).exists() or (tests.parent / name).exists() for name in named), shown_by


def test_the_folders_are_those_that_it_names() -> None:
    root = Path(__file__).parents[2]
    for folder in re.findall(r"^\| `([a-z/]+)/` \|", README, re.MULTILINE):
        assert (root / folder / "__init__.py").exists() or folder == "examples"
