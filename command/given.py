"""What the options of `streamlanes compare` say: a scenario, a trace, a folder."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from streamlanes.benchmarks.experiment.results import TraceInfo
from streamlanes.benchmarks.experiment.scenario import Scenario, ScenarioError, Setting, find, load
from streamlanes.benchmarks.spec.trace import Trace, TraceError, read_trace
from streamlanes.producers.tokens import MAX_TEXT


def settings_of(given: Sequence[str]) -> dict[str, Setting]:
    """Read KEY=VALUE, a value being TOML or else a string. Raises BadParameter."""
    settings: dict[str, Setting] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{text!r} isn't KEY=VALUE, such as load.clients=50", param_hint="'--set'")
        try:
            settings[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            settings[key] = value
    return settings


def scenario_of(
    name: str, settings: dict[str, Setting], *, rounds: int | None, text: Path | None, seed: int | None
) -> Scenario:
    """Load a scenario with what the options say. Raises BadParameter that names the option, or the file."""
    options: dict[str, str] = {}
    try:
        path = find(name)
        kinds = load(path).parts
        if rounds is not None:  # is about all kinds of trials that the scenario has
            for kind in kinds:
                options[f"{kind}.rounds"] = "'--rounds'"
                settings.setdefault(f"{kind}.rounds", rounds)
        if text is not None:
            options["load.text"] = "'--text'"
            settings["load.text"] = _text(text)
            settings["load.count"] = None
        if seed is not None:
            options["seed"] = "'--seed'"
            settings["seed"] = seed
        return load(path, settings)
    except ScenarioError as error:
        if error.key in settings:
            fault = error.fault if error.key in options else str(error)
            raise click.BadParameter(fault, param_hint=options.get(error.key, "'--set'")) from error
        raise click.BadParameter(str(error), param_hint="'SCENARIO'") from error


def without_text(scenario: Scenario) -> Scenario:
    load_part = {**scenario.parts["load"], "text": None}
    return replace(scenario, parts={**scenario.parts, "load": load_part})


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"can't read {path} as UTF-8 text: {error}", param_hint="'--text'") from error
    if not text:
        raise click.BadParameter(f"{path} is empty; there is nothing to stream", param_hint="'--text'")
    if len(text) > MAX_TEXT:
        fault = f"{path} has {len(text):,} characters; a stream takes {MAX_TEXT:,} at most"
        raise click.BadParameter(fault, param_hint="'--text'")
    return text


def trace_of(path: Path, speed: float, limit: int | None) -> Trace:
    try:
        return read_trace(path, speed=speed, limit=limit)
    except TraceError as error:
        raise click.BadParameter(str(error), param_hint="'--trace'") from error


def trace_info(path: Path, trace: Trace, speed: float) -> TraceInfo:
    return TraceInfo(
        file=trace.file,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        speed=speed,
        sessions=len(trace.requests),
        skipped=trace.skipped,
        out_of_order=trace.out_of_order,
    )


def folder_of(out: Path | None, scenario: str) -> Path:
    """Make the run's folder. Raises BadParameter if it can't be, or has something in it."""
    folder = out or Path("results") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{scenario}"
    try:
        str(folder).encode()
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise click.BadParameter(
                f"{folder} holds something already, perhaps a run; name another folder", param_hint="'--out'"
            )
        (folder / "raw").mkdir()
    except UnicodeEncodeError as error:
        raise click.BadParameter("the folder's name isn't UTF-8; name another", param_hint="'--out'") from error
    except OSError as error:
        raise click.BadParameter(f"can't write to {folder}: {error.strerror}", param_hint="'--out'") from error
    return folder
