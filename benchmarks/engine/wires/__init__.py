"""The wires that the engine can read, a module each, with a `READER`; no registry to edit."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Protocol

import aiohttp
from yarl import URL

from streamlanes.benchmarks.engine.recorder import Recorder
from streamlanes.benchmarks.engine.sending import Sender
from streamlanes.producers.discovery import defined
from streamlanes.producers.wire import Wire


class WireReader(Protocol):
    """Reads a stream over one wire."""

    wire: Wire

    @property
    def way_up(self) -> str | None:
        """How messages are sent beside it, in a word of a table; None: they can't be."""
        ...

    async def read(
        self, http: aiohttp.ClientSession, url: URL, recorder: Recorder, sender: Sender | None = None
    ) -> None:
        """Read the stream at *url* to its end, into *recorder*, and send what *sender* has.

        It begins with the oldest event held, or with what follows the cursor that the URL has as `after`.

        The clock is read once for each chunk, message or response, before it is parsed. Raises Fault
        (Lost, if the connection ended before the stream), aiohttp.ClientError and OSError; what came before is
        recorded.
        """
        ...


def discover() -> Mapping[str, WireReader]:
    """Return this package's readers by the names of their wires."""
    readers: list[WireReader] = defined(sys.modules[__name__], "READER")
    return {reader.wire: reader for reader in readers}
