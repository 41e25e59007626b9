"""One lane as a Python client reads it, and what can be told of it."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic_ns
from typing import Final

from streamlanes.clients import Client, EventStream, Options
from streamlanes.demos.digests import Digest
from streamlanes.demos.latencies import Latencies
from streamlanes.demos.stage import StagedLane
from streamlanes.producers.errors import StreamError
from streamlanes.producers.events import DEFAULT_TYPE, Event, Outcome

TAIL: Final = 6_000
"""Characters of the stream that are kept, at least."""


class Phase(StrEnum):
    """Where a reading is."""

    CONNECTING = "connecting"
    OPEN = "open"
    WAITING = "waiting"
    """The connection was lost; another one will be made."""
    ENDED = "ended"
    FAILED = "stopped"
    """Nothing more will come, and the stream isn't complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The connection was lost, and there is another one."""

    at_ns: int
    away_ns: int
    after: int
    """The last event from before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What the relay has carried for a reading."""

    connections: int
    up: int
    down: int
    """Bytes."""


class LaneReading:
    """Reads a stream over one lane, and counts. All times are CLOCK_MONOTONIC's."""

    def __init__(self, lane: StagedLane, client: Client, url: str) -> None:
        self.lane = lane
        self.made_ns = monotonic_ns()
        self.phase = Phase.CONNECTING
        self.error: StreamError | None = None
        """Why it has FAILED."""
        self.outcome: Outcome | None = None
        self.events = 0
        self.last = 0
        """The last event's offset."""
        self.lost = 0
        self.repeated = 0
        self.digest = Digest()
        self.latencies = Latencies()
        self.first_ns: int | None = None
        """From asking for the stream to its first event."""
        self.retry_ns: int | None = None
        """When another connection will be tried, while WAITING."""
        self.resumed: Resumed | None = None
        self.gathered = 0
        """Events that were due before it was resumed, and came afterwards."""
        self._before = lane.relay.counts
        self._client = client
        self._url = url
        self._stream: EventStream | None = None
        self._lost_ns = 0
        self._seen_reconnects = 0
        self._tail: deque[str] = deque()
        self._tail_size = 0
        self._awaiting_due: deque[int] = deque()

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.phase in {Phase.ENDED, Phase.FAILED}

    @property
    def reconnects(self) -> int:
        """Connections that had to be made again, and were."""
        return 0 if self._stream is None else self._stream.reconnects

    @property
    def carried(self) -> Carried:
        """What went through the lane's relay since this was made."""
        now, before = self.lane.relay.counts, self._before
        return Carried(connections=now.accepted - before.accepted, up=now.up - before.up, down=now.down - before.down)

    @property
    def tail(self) -> str:
        """The last of what came, as text."""
        return "".join(self._tail)

    async def run(self) -> None:
        """Read to the stream's end; what goes wrong is in `error`."""
        asked_ns = monotonic_ns()
        options = Options(sleep=self._wait)
        try:
            async with self._client.connect(self._url, options=options) as self._stream:
                self.phase = Phase.OPEN
                async for event in self._stream:
                    now_ns = monotonic_ns()
                    if self.first_ns is None:
                        self.first_ns = now_ns - asked_ns
                    self.look(now_ns)
                    self._take(event, now_ns)
                self.outcome, self.phase = self._stream.outcome, Phase.ENDED
        except StreamError as error:
            self.error, self.phase = error, Phase.FAILED

    def look(self, now_ns: int) -> None:
        """Notice that there is a connection again."""
        if self.reconnects > self._seen_reconnects:
            self._seen_reconnects = self.reconnects
            self.phase, self.retry_ns = Phase.OPEN, None
            self.resumed = Resumed(at_ns=now_ns, away_ns=now_ns - self._lost_ns, after=self.last)
            self.gathered = 0

    def join(self, due: Sequence[int]) -> None:
        """Take the due times of events 1 and on, as far as they are known."""
        self.latencies.join(due)
        while self._awaiting_due and self._awaiting_due[0] <= len(due):
            offset = self._awaiting_due.popleft()
            if self.resumed is not None and self.resumed.after < offset and due[offset - 1] < self.resumed.at_ns:
                self.gathered += 1

    def _take(self, event: Event, now_ns: int) -> None:
        # The client checks this as well; here it is counted, to be shown.
        self.lost += max(event.offset - self.last - 1, 0)
        self.repeated += event.offset <= self.last
        self.events += 1
        self.last = event.offset
        self.digest.add(event)
        self.latencies.received(event.offset, now_ns)
        self._awaiting_due.append(event.offset)
        self._keep(_text(event))

    def _keep(self, text: str) -> None:
        self._tail.append(text)
        self._tail_size += len(text)
        while self._tail_size - len(self._tail[0]) >= TAIL:
            self._tail_size -= len(self._tail.popleft())

    async def _wait(self, delay: float) -> None:
        now_ns = monotonic_ns()
        if self.phase is not Phase.WAITING:
            self._lost_ns, self.phase = now_ns, Phase.WAITING
        self.retry_ns = now_ns + round(delay * 1e9)
        await asyncio.sleep(delay)


def _text(event: Event) -> str:
    if event.type == DEFAULT_TYPE and event.data.startswith('"'):
        text: str = json.loads(event.data)
        return text
    kind = "" if event.type == DEFAULT_TYPE else f"{event.type} "
    return f"{kind}{event.data}\n"
