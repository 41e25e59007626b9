"""Scenarios: what a comparison runs, from TOML. The built-in ones are in `benchmarks/scenarios/`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from streamlanes.benchmarks import kinds
from streamlanes.benchmarks.kinds import Part
from streamlanes.benchmarks.spec.metrics import METRICS

BUILT_IN: Final = Path(__file__).parent / "scenarios"
DEFAULT: Final = "tokens"
PRODUCT_LANES: Final = ("sse", "ws", "poll", "ndjson")

Setting: TypeAlias = "object"


class ScenarioError(Exception):
    """A scenario that can't be run. `key` is the faulty setting (`load.rate`), or empty if it is the file itself."""

    def __init__(self, key: str, fault: str) -> None:
        super().__init__(f"{key}: {fault}" if key else fault)
        self.key = key
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is run: on which lanes, from which seed, and which limits it is held to."""

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
    """Part of the results' folder's name."""
    about: str = ""
    """What it is for, in a sentence."""
    lanes: Annotated[tuple[str, ...], Field(min_length=1)] = PRODUCT_LANES
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
    slo: Mapping[str, float] = field(default_factory=dict)
    """Limits by metric: what every lane must keep to, as `latency_p99_ms = 50`."""
    parts: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """The settings of each kind of trials, complete."""

    def part(self, kind: str) -> Part:
        """Return the settings of *kind*. Raises KeyError if there is no such part."""
        part: Part = _adapters()[kind].validate_python(self.parts[kind])
        return part

    def rounds(self) -> int:
        """Return the number of rounds; a part with fewer of them takes part in the first ones."""
        return max((self.part(kind).rounds for kind in self.parts), default=0)


_SCENARIO: Final = TypeAdapter(Scenario)


@cache
def _adapters() -> Mapping[str, TypeAdapter[Part]]:
    return {name: TypeAdapter(kind.part) for name, kind in kinds.discover().items()}


def names() -> list[str]:
    """Return the names of the built-in scenarios."""
    return sorted(path.stem for path in BUILT_IN.glob("*.toml"))


def find(name: str) -> Path:
    """Return the file of a built-in scenario, or *name* itself if that is a file. Raises ScenarioError."""
    path = BUILT_IN / f"{name}.toml"
    if name in names():
        return path
    if Path(name).is_file():
        return Path(name)
    raise ScenarioError("", f"there is no scenario {name!r}: name a TOML file, or one of {', '.join(names())}")


def load(path: Path, overrides: Mapping[str, Setting] | None = None) -> Scenario:
    """Read *path*, with *overrides* (`{"load.rate": 5}`) in place of what it says. Raises ScenarioError.

    An override of a table that the scenario doesn't have is an error, as is a scenario without any.
    """
    settings = _read(path, overrides or {})
    adapters = _adapters()
    if "parts" in settings:  # a word of ours: in a file each part is a table
        raise ScenarioError("parts", f"no such setting; there are {', '.join(_fields(''))}, in {path.name}")
    parts: dict[str, object] = {}
    for kind in [table for table in settings if table in adapters]:  # in their order, which that of trials depends on
        try:
            checked = adapters[kind].validate_python(settings.pop(kind))
        except ValidationError as error:
            raise _scenario_error(error.errors()[0], path.name, set(overrides or ()), kind) from error
        parts[kind] = adapters[kind].dump_python(checked, mode="json")
    try:
        scenario = _SCENARIO.validate_python({"name": path.stem, **settings, "parts": parts})
    except ValidationError as error:
        raise _scenario_error(error.errors()[0], path.name, set(overrides or ())) from error
    if not scenario.parts:
        tables_ = ", ".join(f"[{kind}]" for kind in sorted(adapters))
        raise ScenarioError("", f"{path.name}: there is nothing to run: add a table, of {tables_}")
    unknown = [metric for metric in scenario.slo if metric not in METRICS]
    if unknown:
        raise ScenarioError(f"slo.{unknown[0]}", f"no such metric, in {path.name}; there are {', '.join(METRICS)}")
    return scenario


def _read(path: Path, overrides: Mapping[str, Setting]) -> dict[str, object]:
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ScenarioError("", f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ScenarioError("", f"{path.name}: not TOML: {error}") from error
    for key, value in overrides.items():
        *tables, last = key.split(".")
        target = settings
        for table in tables:
            if not isinstance(target.get(table), dict):
                raise ScenarioError(key, f"{path.name} has no [{table}] to change this in")
            target = target[table]
        target[last] = value
    return settings


def _scenario_error(error: ErrorDetails, file: str, overridden: set[str], table: str = "") -> ScenarioError:
    location = [*([table] if table else []), *(str(part) for part in error["loc"])]
    key = ".".join(location)
    told = error["msg"].removeprefix("Value error, ")
    fault = told[:1].lower() + told[1:]
    if error["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        known = _fields(table)
        fault = f"no such setting; there are {', '.join(known)}"
    elif not isinstance(error["input"], dict):
        fault += f" (it is {str(error['input'])[:60]!r})"
    named = next((name for name in overridden if key == name or key.startswith(f"{name}.")), None)
    return ScenarioError(named, fault) if named else ScenarioError(key, f"{fault}, in {file}")


def _fields(table: str) -> list[str]:
    """Return the settings that a table may have, or a scenario."""
    if table:
        return list(kinds.discover()[table].part.__dataclass_fields__)
    own = [one.name for one in fields(Scenario) if one.name != "parts"]
    return own + [f"[{kind}]" for kind in sorted(kinds.discover())]
