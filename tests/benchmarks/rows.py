"""Which lane a contestant is, and what for, by the names that tests give."""

from __future__ import annotations

from streamlanes.benchmarks.spec.role import Role

NAMES = {
    **dict.fromkeys(("floor", "floor-ws", "floor-poll"), Role.FLOOR),
    "no readers": Role.ALONE,
    **dict.fromkeys(("nchan-sse", "nchan-ws"), Role.EXTERNAL),
}


def of_lane(name: str) -> str:
    return name.partition("~")[0].partition("+")[0]


def read_by(name: str) -> str:
    lane, _, library = name.partition("~")[0].partition("+")
    wires = {"ws": "websocket", "poll": "long-poll", "ndjson": "ndjson"}
    return library or next((wire for part, wire in wires.items() if part in lane), "sse")


def role(name: str) -> Role:
    if "+" in name:
        return Role.CLIENT
    return NAMES.get(name, Role.AGAIN if name.endswith("~again") else Role.LANE)
