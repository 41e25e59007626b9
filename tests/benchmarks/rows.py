"""Which lane a contestant is, and what for, by the names that tests give."""

from __future__ import annotations

from streamlanes.benchmarks.spec.role import Role

NAMES = {"floor": Role.FLOOR, "no readers": Role.ALONE, "nchan-sse": Role.EXTERNAL, "nchan-ws": Role.EXTERNAL}


def of_lane(name: str) -> str:
    return name.partition("~")[0].partition("+")[0]


def role(name: str) -> Role:
    if "+" in name:
        return Role.CLIENT
    return NAMES.get(name, Role.AGAIN if name.endswith("~again") else Role.LANE)
