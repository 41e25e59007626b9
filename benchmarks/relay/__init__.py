"""A userspace TCP relay on loopback with faults: planned by a seeded schedule, or asked for while connections are open.

`faults` has the values and schedules, `delayline` what is on its way (no I/O), `flow` one
direction, `splice` one connection, `tally` the counts, and `relay` the listener and the live controls.
"""

from streamlanes.benchmarks.relay.faults import (
    Cut,
    Direction,
    DropResponse,
    Fault,
    HalfOpen,
    Link,
    Reset,
    Schedule,
    Shape,
    Stall,
    always,
    cut_between,
    every,
    no_faults,
    plan,
)
from streamlanes.benchmarks.relay.relay import Relay
from streamlanes.benchmarks.relay.tally import Counts, State, Tally

__all__ = [
    "Counts",
    "Cut",
    "Direction",
    "DropResponse",
    "Fault",
    "HalfOpen",
    "Link",
    "Relay",
    "Reset",
    "Schedule",
    "Shape",
    "Stall",
    "State",
    "Tally",
    "always",
    "cut_between",
    "every",
    "no_faults",
    "plan",
]
