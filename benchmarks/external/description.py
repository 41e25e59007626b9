"""Reading a file of external lanes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from streamlanes.benchmarks.engine.wires.foreign_sse import FOREIGN_SSE
from streamlanes.benchmarks.engine.wires.foreign_websocket import FOREIGN_WEBSOCKET
from streamlanes.producers.wire import Wire

BUILT_IN: Final = Path(__file__).parent
_WIRES: Final = {"sse": FOREIGN_SSE, "websocket": FOREIGN_WEBSOCKET}
_CHECKED: Final = ConfigDict(extra="forbid")


class ExternalError(Exception):
    """A file of external lanes that can't be used; the message names the file, the key and the fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalLane:
    """A lane of another server.

    In `subscribe`, `publish`, `body`, `ready`, `command` and the `files`, `{port}` stands for a free port and
    `{folder}` for the trial's folder; in the first three `{channel}` stands for a name (letters and digits) that each
    stream has anew, and in `body` `{data}` for an event's JSON and `{data_quoted}` for the same percent-encoded.
    """

    __pydantic_config__ = _CHECKED

    name: str = ""
    """The key in the file."""
    wire: Literal["sse", "websocket"]
    subscribe: Annotated[str, Field(pattern=r"^https?://")]
    """A URL that is read; what comes before it is published must be kept for readers or reach those that are there."""
    publish: Annotated[str, Field(pattern=r"^https?://")]
    """A URL to which each event is sent, one after the other, on a connection that is kept alive."""
    method: Literal["POST", "PUT"] = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that are sent with what is published."""
    body: str = "{data}"
    command: tuple[str, ...] = ()
    """Starts the server, in the foreground, for each trial; without it, the server is running already."""
    files: tuple[str, ...] = ()
    """Beside this file; copied to the trial's folder, filled in, before the command is run."""
    ready: Annotated[str, Field(pattern=r"^https?://")] | None = None
    """A URL that answers 2xx once the server is ready."""
    folder: Path = BUILT_IN
    """Folder of the file."""

    @property
    def engine_wire(self) -> Wire:
        """The load engine's name of the wire."""
        return _WIRES[self.wire]


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    __pydantic_config__ = _CHECKED

    external: Mapping[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")], ExternalLane]


_FILE: Final = TypeAdapter(_File)


def find(name: str) -> Path:
    """Return the built-in file of a name (`nchan`), or *name* itself if that is a file. Raises ExternalError."""
    built_in = sorted(path.stem for path in BUILT_IN.glob("*.toml"))
    if name in built_in:
        return BUILT_IN / f"{name}.toml"
    if Path(name).is_file():
        return Path(name)
    raise ExternalError(f"there is no {name!r}: name a TOML file, or one of {', '.join(built_in)}")


def load(path: Path) -> Mapping[str, ExternalLane]:
    """Return the lanes that *path* describes, by their names. Raises ExternalError."""
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        for name, lane in settings.get("external", {}).items():
            lane.update(name=name, folder=path.parent)
        return _FILE.validate_python(settings).external
    except OSError as error:
        raise ExternalError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, AttributeError) as error:
        raise ExternalError(f"{path.name}: not a TOML file with tables [external.NAME]: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ExternalError(f"{key}: {first['msg'][:1].lower()}{first['msg'][1:]}, in {path.name}") from error


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return *text* with each `{key}` of *values* in its place; other braces stay, since JSON and nginx have them."""
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", value)
    return text
