"""The Python clients as readers of the engine: `sse+httpx-sse` is wire `sse` read with httpx-sse.

A module each, with its `READERS`; no registry to edit. Each reads as a program would that uses it, an event at a time,
and what that costs is in the engine's CPU time. An event is received when the client hands it over.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Protocol

from streamlanes.benchmarks.engine.wires import WireReader
from streamlanes.producers.discovery import defined


class ClientReader(WireReader, Protocol):
    """Reads a stream with a library."""

    library: str


def discover() -> Mapping[str, ClientReader]:
    """Return this package's readers by `WIRE+LIBRARY`."""
    of_modules: list[Sequence[ClientReader]] = defined(sys.modules[__name__], "READERS")
    return {f"{reader.wire}+{reader.library}": reader for readers in of_modules for reader in readers}
