"""Proof that lanes carry the same: a digest over the events so far, which equals another's after the same events."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from streamlanes.producers.events import Event

REMEMBERED: Final = 4_096
"""Events back to which a digest can be asked for."""


class Digest:
    """A chain: each event's offset, type and data, hashed together with the digest before it."""

    def __init__(self) -> None:
        self._last = b""
        self._after: OrderedDict[int, str] = OrderedDict()

    @property
    def text(self) -> str:
        """As of the last event; empty before the first."""
        return self._last.hex()

    def add(self, event: Event) -> None:
        """Go on by *event*."""
        content = f"{event.offset}\n{event.type}\n{event.data}".encode(errors="surrogatepass")
        self._last = blake2b(self._last + content, digest_size=4).digest()
        self._after[event.offset] = self.text
        if len(self._after) > REMEMBERED:
            self._after.popitem(last=False)

    def after(self, offset: int) -> str | None:
        """Return what it was after the event *offset*; None: not remembered, or not there yet."""
        return self._after.get(offset)


def agreement(digests: Sequence[tuple[int, Digest]]) -> tuple[int, bool] | None:
    """Return up to which event lanes can be compared, given each one's last event, and whether they agree there.

    None: they can't, since one has no event yet, or is too far behind the others.
    """
    common = min((last for last, _ in digests), default=0)
    found = {digest.after(common) for _, digest in digests}
    if None in found or not found:
        return None
    return common, len(found) == 1
