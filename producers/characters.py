"""Text that came in pieces, put together to characters."""

from __future__ import annotations

import re
from typing import Final

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class WholeCharacters:
    """Joins pieces of JSON text values, in which a character may be cut into the halves of a surrogate pair.

    What comes out can be encoded: a half without its other half is U+FFFD.
    """

    def __init__(self) -> None:
        self._half = ""

    def feed(self, text: str) -> str:
        """Return what *text* adds; a first half at its end waits for the second."""
        if text:
            text = self._half + text
            self._half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
            text = text.removesuffix(self._half)
        if _SURROGATE.search(text) is None:
            return text
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def end(self) -> str:
        """Return what is left: nothing is to come that could complete it."""
        half, self._half = self._half, ""
        return "\ufffd" if half else ""
