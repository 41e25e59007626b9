"""Letting bytes gather in the kernel where nothing is timed, so that the engine wakes for many events at once.

A server that makes a system call for each message wakes a reader that waits for nearly each one, and that costs the
reader's process several times what taking the message does.
"""

from __future__ import annotations

import time
from typing import Final

from streamlanes.benchmarks.engine.decoding.decoder import Events

ENOUGH: Final = 16_384
"""Bytes. With pieces of this size waking costs next to nothing."""
SECONDS: Final = 0.0003
"""Short: a server that writes as fast as it can must not find the socket's buffer full meanwhile, of which a small
segment takes several times its length. With a millisecond TCP's window closed, and the server took longer.
"""


def gather(chunk: bytes, events: Events) -> None:
    """Stop the process for SECONDS, if *chunk*, which was read last and has *events*, was small.

    What brought no event, such as a stream's beginning, tells nothing of how fast they come. Only where a process has
    a single reader, and nothing else to do: the event loop stands still, since its own timers count milliseconds.
    """
    if events.offsets and len(chunk) < ENOUGH:
        time.sleep(SECONDS)
