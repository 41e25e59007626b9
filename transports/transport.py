"""What a transport adapter is, and how the adapters are found."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Final, Protocol

from fastapi import APIRouter

from streamlanes import transports
from streamlanes.producers.discovery import announced, defined
from streamlanes.producers.wire import Wire
from streamlanes.transports.door.admission import Ahead
from streamlanes.transports.service.service import StreamService

ENTRY_POINTS: Final = "streamlanes.transports"


class LaneRouter(APIRouter):
    """A lane's routes, where the lane can answer usual requests ahead of all routing."""

    ahead: Ahead | None = None


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
    for transport in [*declared(transports), *_announced()]:
        if transport.name in found:
            raise ValueError(f"two transports are named {transport.name!r}; one of them needs another name")
        found[transport.name] = transport
    return found


def declared(package: ModuleType) -> list[Transport]:
    """Return the transports of a package's own modules, not of packages in it."""
    return defined(package, "TRANSPORT")


def _announced() -> list[Transport]:
    return announced(ENTRY_POINTS, what="transport", name="TRANSPORT", attributes=("name", "wire", "router"))
