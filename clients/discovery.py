"""Finds the clients: the modules of this package that define `CLIENT`, and what other packages announce."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Final

from streamlanes import clients
from streamlanes.clients.stream import Client
from streamlanes.producers.wire import Wire

ENTRY_POINTS: Final = "streamlanes.clients"
"""The group in which another package names its `CLIENT` objects."""


def discover() -> Mapping[Wire, Client]:
    """Return the client for each wire. Raises ValueError if two claim the same, and for what isn't a client."""
    found: dict[Wire, Client] = {}
    for client in _candidates():
        other = found.setdefault(client.wire, client)
        if other is not client:
            raise ValueError(f"{type(other).__name__} and {type(client).__name__} both read {client.wire}; remove one")
    return found


def _candidates() -> Iterator[Client]:
    for module in pkgutil.iter_modules(clients.__path__, f"{clients.__name__}."):
        client: Client | None = getattr(import_module(module.name), "CLIENT", None)
        if client is not None:
            yield client
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            announced: Client = entry.load()
        except (ImportError, AttributeError) as error:
            raise ValueError(f"the entry point {entry.name} ({entry.value}) can't be loaded: {error}") from error
        if not all(hasattr(announced, name) for name in ("wire", "connect")):
            raise ValueError(f"the entry point {entry.name} ({entry.value}) isn't a client; end it with :CLIENT")
        yield announced
