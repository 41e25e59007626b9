"""What just happened to a lane, and why, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from streamlanes.demos.digests import agreement
from streamlanes.demos.network import BUFFER_BYTES, BUFFER_SECONDS, HELD
from streamlanes.demos.reading import LaneReading, Phase
from streamlanes.producers.errors import CursorExpired, StreamFailed, StreamLost, StreamOrphaned, UnknownStream
from streamlanes.producers.wire import LONG_POLL, NDJSON, SSE, WEBSOCKET, Wire

TOLD_NS: Final = 8_000_000_000
"""Nanoseconds for which something that is over is still told."""

MANNER: Final = {
    SSE: "One response that goes on: each event comes as it happens.",
    NDJSON: "One response that goes on: a line for each event, as it happens.",
    WEBSOCKET: "One connection, both ways: a message for each event.",
    LONG_POLL: "Asks again and again: each answer has what came meanwhile.",
}
PASSED: Final = {
    WEBSOCKET: "The proxy can't hold this back: a WebSocket is a tunnel through it.",
    LONG_POLL: "The proxy passes this on at once: each answer is complete.",
}


def tell(reading: LaneReading, now_ns: int) -> str:
    """Say what goes on, as of *now_ns* (CLOCK_MONOTONIC)."""
    lane = reading.lane
    if reading.phase is Phase.FAILED:
        return why(reading)
    if reading.phase is Phase.ENDED:
        return f"Ended, {reading.outcome}: {reading.events:,} events, each once and in order."
    if reading.phase is Phase.WAITING:
        left = ((reading.retry_ns or now_ns) - now_ns) / 1e9
        when = f"Tries again in {left:.1f} s" if left > 0 else "Tries again now"
        return f"Connection lost. {when}, to go on after event {reading.last:,}."
    left = lane.stalled_until - now_ns / 1e9
    if left > 0:
        return f"Stalled for {left:.0f} s more: nothing passes, but the connection stays, so nobody reconnects."
    if reading.phase is Phase.CONNECTING:
        return "Connecting."
    return _latest(reading, now_ns) or MANNER.get(lane.wire, "Events come.")


def why(reading: LaneReading) -> str:
    """Say why a reading has failed, and what can be done."""
    match reading.error:
        case UnknownStream():
            return "Gone: the server was restarted, and had the stream in its memory only. n starts a new one."
        case CursorExpired(missing=missing):
            return f"Too late: {missing or 'some'} events after {reading.last:,} are no longer kept. n starts anew."
        case StreamFailed():
            return "The producer failed, so the stream ended early. n starts a new one."
        case StreamOrphaned():
            return "The producer's process went away, so the stream ended early. n starts a new one."
        case StreamLost():
            return f"Gave up reconnecting: {reading.error}. r restarts the server, n starts anew."
        case error:
            return f"Broken off: {error}. n starts a new one."


def buffered(wire: Wire) -> str:
    """Say what the buffering proxy does to a lane."""
    if wire in HELD:
        size = f"{BUFFER_BYTES // 1024} KiB or {BUFFER_SECONDS:.0f} s"
        return f"The proxy holds the response until it has {size} of it: events come in bursts."
    return PASSED.get(wire, "The proxy passes this on.")


def verdict(readings: Sequence[LaneReading]) -> str:
    """Say whether the lanes have carried the same."""
    if any(reading.lost or reading.repeated for reading in readings):
        return "events were lost or repeated"
    agreed = agreement([(reading.last, reading.digest) for reading in readings])
    if agreed is None:
        return "not yet to be compared"
    common, same = agreed
    if not same:
        return f"the lanes differ at event {common:,} or before"
    if all(reading.phase is Phase.ENDED for reading in readings):
        return f"all lanes had the same {common:,} events"
    return f"all lanes the same up to event {common:,}"


def _latest(reading: LaneReading, now_ns: int) -> str:
    """Return the last that has happened, unless it is over and was told for long enough; empty: nothing."""
    lane, resumed = reading.lane, reading.resumed
    happened: list[tuple[float, str]] = []
    if lane.network.buffering:
        happened.append((lane.shaped_at * 1e9, buffered(lane.wire)))
    if resumed is not None and now_ns - resumed.at_ns < TOLD_NS:
        why_whole = "each poll says where it goes on, so a lost one is asked again; " if lane.wire == LONG_POLL else ""
        back = f"Lost, and back after {resumed.away_ns / 1e9:.1f} s: {why_whole}went on after event {resumed.after:,}; "
        happened.append((resumed.at_ns, f"{back}{_gathered(reading.gathered)}."))
    stall_over_ns = lane.stalled_until * 1e9
    if stall_over_ns > reading.made_ns and now_ns - stall_over_ns < TOLD_NS:
        over = "The stall is over: what had gathered came at once, late, but all of it and in order."
        happened.append((stall_over_ns, over))
    return max(happened, default=(0, ""))[1]


def _gathered(count: int) -> str:
    if count == 1:
        return "1 event that had gathered came at once"
    return f"{count:,} events that had gathered came at once" if count else "nothing was missed"
