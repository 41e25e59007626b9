"""Reading the options of `streamlanes compare` whose values have a form of their own."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click

from streamlanes.benchmarks.experiment.scenario import Setting
from streamlanes.benchmarks.trial.trial import HIDDEN

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_VALUE = re.compile(r"[\t\x20-\x7e]+", re.ASCII)


def positive(_ctx: click.Context, _param: click.Parameter, value: float | None) -> float | None:
    """Refuse NaN, which is in every range."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("it isn't a number")
    return value


def settings_of(given: Sequence[str]) -> Mapping[str, Setting]:
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


def text_of(path: Path) -> str:
    """Read a text that is to be streamed. Raises BadParameter."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"can't read {path} as UTF-8 text: {error}", param_hint="'--text'") from error


def headers_of(given: Sequence[str]) -> Mapping[str, str]:
    """Read NAME: VALUE. Raises BadParameter, whose message doesn't repeat the value: it may be a secret."""
    sent: dict[str, str] = {}
    for number, text in enumerate(given, start=1):
        name, colon, value = text.partition(":")
        name, value = name.strip(), value.strip()
        if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise click.BadParameter(f"number {number} isn't NAME: VALUE, in ASCII", param_hint="'--header'")
        if name.lower() in {known.lower() for known in sent}:
            raise click.BadParameter(f"{name} is given twice", param_hint="'--header'")
        sent[name] = value
    return sent


def without_secrets(words: Iterable[str], headers: Sequence[str]) -> list[str]:
    """Return a command line's *words* without the values of the *headers* in it."""
    shown = {text: f"{text.partition(':')[0]}: {HIDDEN}" for text in headers}
    hidden = []
    for word in words:
        given = next((text for text in shown if word in {text, f"--header={text}"}), None)
        hidden.append(word if given is None else word.replace(given, shown[given]))
    return hidden
