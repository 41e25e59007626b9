"""Finds the clients: the modules of this package that define `CLIENT`, and what other packages announce."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from streamlanes import clients
from streamlanes.clients.stream import Client
from streamlanes.producers.discovery import announced, defined
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


def _candidates() -> list[Client]:
    others = announced(ENTRY_POINTS, what="client", name="CLIENT", attributes=("wire", "connect"))
    return [*defined(clients, "CLIENT"), *others]
