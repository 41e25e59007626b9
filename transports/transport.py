"""What a transport adapter is, and how the adapters are found."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Final, Protocol

from fastapi import APIRouter

import transports
from producers.wire import Wire
from transports.service import StreamService

ENTRY_POINTS: Final = "streamlanes.transports"


class Transport(Protocol):
    """One lane. A module of `transports` that has one names it TRANSPORT; there is no list to add it to."""

    @property
    def name(self) -> str:
        """The lane's name: its URL segment, its value on the command line, its row in a report."""
        ...

    @property
    def wire(self) -> Wire:
        """Which client reads it."""
        ...

    def router(self, service: StreamService) -> APIRouter:
        """Return the lane's routes; the one that streams is `/{name}/{stream}`, and is named *name*."""
        ...


def discover() -> Mapping[str, Transport]:
    """Return all transports by name: those of this package, and those of installed packages.

    Another package adds one by an entry point of the group `streamlanes.transports` that points to its module.
    """
    modules = [f"transports.{module.name}" for module in pkgutil.iter_modules(transports.__path__)]
    modules += [entry.value for entry in entry_points(group=ENTRY_POINTS)]
    found: dict[str, Transport] = {}
    for module in modules:
        transport: Transport | None = getattr(import_module(module), "TRANSPORT", None)
        if transport is not None:
            if transport.name in found:
                raise ValueError(f"two transports are named {transport.name!r}; the one in {module} needs another name")
            found[transport.name] = transport
    return found
