"""Scenarios: the workload of a comparison, from TOML. The built-in ones are in `benchmarks/scenarios/`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from producers.tokens import MAX_TEXT, MAX_TOKENS

BUILT_IN: Final = Path(__file__).parent / "scenarios"
DEFAULT: Final = "tokens"
PRODUCT_LANES: Final = ("sse", "ws", "poll", "ndjson")

_CHECKED = ConfigDict(extra="forbid", allow_inf_nan=False)

Rounds: TypeAlias = Annotated[int, Field(ge=1, le=1_000)]
Setting: TypeAlias = "str | int | float | list[str]"


class ScenarioError(Exception):
    """A scenario that can't be run. `key` is the faulty setting (`load.rate`), or empty if it is the file itself."""

    def __init__(self, key: str, fault: str) -> None:
        super().__init__(f"{key}: {fault}" if key else fault)
        self.key = key
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Clients that come at their times, each with a `tokens` stream of its own."""

    __pydantic_config__ = _CHECKED

    rounds: Rounds = 3
    clients: Annotated[int, Field(ge=1, le=5_000)] = 20
    spread: Annotated[float, Field(ge=0, le=600)] = 0.5
    """Seconds over which the clients come: times drawn evenly, seeded. A trace brings its own times."""
    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)] | None = None
    """What is streamed; None: the producer's sample."""
    count: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None
    """Tokens a client, the text over and over; None: the text once. A trace brings its own counts."""
    rate: Annotated[float, Field(ge=0.1, le=10_000)] = 50.0
    """Tokens per second and stream, on average."""
    ttft: Annotated[float, Field(ge=0, le=60)] = 0.3
    """Seconds to the first token, on average."""
    sigma: Annotated[float, Field(ge=0, le=2)] = 0.5
    """Spread of the times between tokens: the standard deviation of their logarithm."""
    deadline: Annotated[float, Field(gt=0, le=60)] = 0.1
    """Seconds from due to received within which an event counts for goodput."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturated:
    """A log that is full already, read from its start to its end over one connection."""

    __pydantic_config__ = _CHECKED

    rounds: Rounds = 1
    events: Annotated[int, Field(ge=100, le=1_000_000)] = 50_000
    size: Annotated[int, Field(ge=32, le=65_536)] = 128
    """Bytes of each event's JSON text."""
    seconds: Annotated[float, Field(ge=0, le=60)] = 1.0
    """The stream is read again until so much time is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rtt:
    """Clients that send messages to an `echo` stream of their own, and read what comes back over the lane."""

    __pydantic_config__ = _CHECKED

    rounds: Rounds = 3
    clients: Annotated[int, Field(ge=1, le=1_000)] = 10
    messages: Annotated[int, Field(ge=1, le=100_000)] = 40
    """That each client sends."""
    rate: Annotated[float, Field(ge=0.1, le=10_000)] = 40.0
    """Messages per second and client, on average."""
    arrivals: Literal["constant", "poisson"] = "constant"
    """Evenly or exponentially spaced; each client begins at a random part of an interval."""
    size: Annotated[int, Field(ge=32, le=65_536)] = 128
    """Bytes of each message's JSON text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is run: on which lanes, how many rounds, from which seed."""

    __pydantic_config__ = _CHECKED

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
    """Part of the results' folder's name."""
    lanes: Annotated[tuple[str, ...], Field(min_length=1)] = PRODUCT_LANES
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
    load: Load | None = None
    saturated: Saturated | None = None
    rtt: Rtt | None = None

    def rounds(self) -> int:
        """Return the number of rounds; a part with fewer of them takes part in the first ones."""
        return max((part.rounds for part in (self.load, self.saturated, self.rtt) if part is not None), default=0)


_SCENARIO: Final = TypeAdapter(Scenario)
_TABLES: Final = {(): Scenario, ("load",): Load, ("saturated",): Saturated, ("rtt",): Rtt}


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
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError("", f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ScenarioError("", f"{path.name}: not TOML: {error}") from error
    for key, value in (overrides or {}).items():
        *tables, last = key.split(".")
        target = settings
        for table in tables:
            if not isinstance(target.get(table), dict):
                raise ScenarioError(key, f"{path.name} has no [{table}] to change this in")
            target = target[table]
        target[last] = value
    try:
        scenario = _SCENARIO.validate_python({"name": path.stem, **settings})
    except ValidationError as error:
        raise _scenario_error(error.errors()[0], path.name, set(overrides or ())) from error
    if not scenario.rounds():
        raise ScenarioError("", f"{path.name}: there is nothing to run: add a table [load], [saturated] or [rtt]")
    return scenario


def _scenario_error(error: ErrorDetails, file: str, overridden: set[str]) -> ScenarioError:
    location = [str(part) for part in error["loc"]]
    key = ".".join(location)
    fault = error["msg"][:1].lower() + error["msg"][1:]
    table = _TABLES.get(tuple(location[:-1]))
    if error["type"] in {"extra_forbidden", "unexpected_keyword_argument"} and table is not None:
        fault = f"no such setting; there are {', '.join(field.name for field in fields(table))}"
    elif not isinstance(error["input"], dict):
        fault += f" (it is {str(error['input'])[:60]!r})"
    named = next((name for name in overridden if key == name or key.startswith(f"{name}.")), None)
    return ScenarioError(named, fault) if named else ScenarioError(key, f"{fault}, in {file}")
