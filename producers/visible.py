"""Text of other people's on a terminal: what would steer the terminal is shown instead."""

from __future__ import annotations

import re
from typing import Final

_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_IN_JSON: Final = re.compile(r"\\u00([01][0-9a-f]|[7][f]|[89][0-9a-f])|\\[bfr]|\\.|[\x7f-\x9f]", re.IGNORECASE)
_SHORT: Final = {r"\b": "\b", r"\f": "\f", r"\r": "\r"}


def visible(text: str) -> str:
    """Return *text* with a picture for each control character, but for line feeds and tabs."""
    return _CONTROLS.sub(lambda found: _picture(found[0]), text)


def visible_json(text: str) -> str:
    """Return JSON text whose strings are as `visible` has them; line feeds and tabs stay."""
    return _IN_JSON.sub(_unescaped, text)


def _unescaped(found: re.Match[str]) -> str:
    if found[1] is not None:
        character = chr(int(found[1], 16))
        return found[0] if character in "\n\t" else _picture(character)
    if found[0] in _SHORT:
        return _picture(_SHORT[found[0]])
    return _picture(found[0]) if len(found[0]) == 1 else found[0]


def _picture(character: str) -> str:
    code = ord(character)
    return (
        "\N{SYMBOL FOR DELETE}" if code == 0x7F else chr(0x2400 + code) if code < 0x20 else "\N{REPLACEMENT CHARACTER}"
    )
