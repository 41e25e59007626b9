"""Who takes part in a comparison, as raw results and reports name it: a contestant is a row."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a contestant is in a comparison for."""

    LANE = "lane"
    """A lane of the server under test, read by the load engine."""
    AGAIN = "again"
    """The same lane a second time: the difference between the two is chance (A/A)."""
    CLIENT = "client"
    """A lane that is read by a client library: the engine's cost is the library's."""
    FLOOR = "floor"
    """What the others' CPU time is a multiple of."""
    ALONE = "alone"
    """The server under test when nobody reads: what producing costs."""
    EXTERNAL = "external"
    """Another server."""
