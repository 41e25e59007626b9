"""What several verbs read from the command line in the same way."""

from __future__ import annotations

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
