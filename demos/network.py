"""What the viewer may make of the path between the server and a lane's readers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streamlanes.benchmarks.relay import Link
from streamlanes.producers.wire import NDJSON, SSE, Wire

BUFFER_BYTES: Final = 64 * 1024
BUFFER_SECONDS: Final = 3.0
"""What the buffering proxy holds: less than most do (nginx's `proxy_buffers` are 8 of 4 to 8 KiB, and it may hold them
for ever), so that something is seen to come; more than the 2.5 s after which a browser client should choose another
lane."""

HELD: Final = frozenset({SSE, NDJSON})
"""The wires that a buffering proxy holds back: responses that go on. It passes an answer that is complete, as a poll's
is, and tunnels a WebSocket. `X-Accel-Buffering: no`, which turns nginx's buffering off, is something it hasn't heard
of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneNetwork:
    """One lane's path, the same both ways but for `buffering`; times in seconds."""

    delay: float = 0.0
    jitter: float = 0.0
    """What one read brings takes `delay` ± `jitter`, uniformly."""
    bandwidth: float | None = None
    """Bytes per second; None: as many as there are."""
    buffering: bool = False
    """Whether a proxy gathers what comes down, BUFFER_BYTES or BUFFER_SECONDS of it, on the wires of `HELD`."""

    @property
    def up(self) -> Link:
        """To the server."""
        return Link(delay=self.delay, jitter=self.jitter, bandwidth=self.bandwidth)

    def down(self, wire: Wire) -> Link:
        """From the server, on *wire*."""
        held = self.buffering and wire in HELD
        return Link(
            delay=self.delay,
            jitter=self.jitter,
            bandwidth=self.bandwidth,
            buffer_bytes=BUFFER_BYTES if held else 0,
            buffer_seconds=BUFFER_SECONDS,
        )


CLEAR: Final = LaneNetwork()
