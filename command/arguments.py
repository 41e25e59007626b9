"""What several verbs read from the command line in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click


def text_or_file(value: str) -> str:
    """Return *value*, or the text of the file if it is @FILE. Raises BadParameter."""
    if not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).read_text(encoding="utf-8")
    except OSError as error:
        raise click.BadParameter(f"can't read {value[1:]}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"can't read {value[1:]}: it isn't UTF-8 text") from error


def key_values(parts: Sequence[str], *, text: str, option: str) -> dict[str, str]:
    """Read KEY=VALUE of each of *parts*, which commas have separated in *text*; @FILE as a value is the file's text.

    A comma that isn't followed by KEY= belongs to the value. Raises BadParameter.
    """
    values: dict[str, str] = {}
    key = ""
    for part in parts:
        before, equals, value = part.partition("=")
        if equals and before.isidentifier():
            key = before
            if key in values:
                raise click.BadParameter(f"{key} is given twice in {text!r}", param_hint=option)
            values[key] = value
        elif key:
            values[key] += f",{part}"
        else:
            raise click.BadParameter(f"a part of {text!r} isn't KEY=VALUE", param_hint=option)
    return {key: text_or_file(value) for key, value in values.items()}


def each_key_value(_ctx: click.Context, _param: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    """Read KEY=VALUE of each; a value @FILE is the file's text. Raises BadParameter."""
    pairs = [text.partition("=") for text in texts]
    for key, equals, _ in pairs:
        if not key or not equals:
            raise click.BadParameter(f"{key!r} isn't KEY=VALUE, such as rate=20")
    return {key: text_or_file(value) for key, _, value in pairs}
