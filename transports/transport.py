"""What a transport adapter is, and how the adapters are found."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Final, Protocol

from fastapi import APIRouter

from streamlanes import transports
from streamlanes.producers.wire import Wire
from streamlanes.transports.service.service import StreamService

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

    Another package adds one by an entry point of the group `streamlanes.transports`: `mypackage.mylane:TRANSPORT`.
    Raises ValueError for one that isn't a transport, or whose name is taken.
    """
    found: dict[str, Transport] = {}
    for transport in declared(transports) + [_loaded(entry) for entry in entry_points(group=ENTRY_POINTS)]:
        if transport.name in found:
            raise ValueError(f"two transports are named {transport.name!r}; one of them needs another name")
        found[transport.name] = transport
    return found


def declared(package: ModuleType) -> list[Transport]:
    """Return the transports of a package's own modules, not of packages in it."""
    modules = (import_module(f"{package.__name__}.{module.name}") for module in pkgutil.iter_modules(package.__path__))
    return [module.TRANSPORT for module in modules if hasattr(module, "TRANSPORT")]


def _loaded(entry: EntryPoint) -> Transport:
    try:
        transport: Transport = entry.load()
    except (ImportError, AttributeError) as error:
        raise ValueError(f"the entry point {entry.name} ({entry.value}) can't be loaded: {error}") from error
    if not all(hasattr(transport, name) for name in ("name", "wire", "router")):
        raise ValueError(f"the entry point {entry.name} ({entry.value}) isn't a transport; end it with :TRANSPORT")
    return transport
