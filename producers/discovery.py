"""Finding what there is without a list: a name that modules define, and what other packages announce."""

from __future__ import annotations

import pkgutil
from collections.abc import Collection
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any


def defined(package: ModuleType, name: str) -> list[Any]:
    """Return what the modules of *package* that define *name* have by it, in the order of their names.

    Modules of packages in it aren't looked at.
    """
    modules = (import_module(f"{package.__name__}.{module.name}") for module in pkgutil.iter_modules(package.__path__))
    return [getattr(module, name) for module in modules if hasattr(module, name)]


def announced(group: str, *, what: str, name: str, attributes: Collection[str]) -> list[Any]:
    """Return what installed packages announce by entry points of *group*: each *what*, which has the *attributes*.

    Raises ValueError, which names the entry point, for one that can't be loaded or isn't one; *name* is how such an
    entry point ends.
    """
    found = []
    for entry in entry_points(group=group):
        try:
            loaded = entry.load()
        except (ImportError, AttributeError) as error:
            raise ValueError(f"the entry point {entry.name} ({entry.value}) can't be loaded: {error}") from error
        if not all(hasattr(loaded, attribute) for attribute in attributes):
            raise ValueError(f"the entry point {entry.name} ({entry.value}) isn't a {what}; end it with :{name}")
        found.append(loaded)
    return found
