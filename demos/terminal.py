"""The demo without a browser: a column for each lane, read by the Python clients through the relays.

Latencies are exact: due times (the server's journal) and receive times are of one CLOCK_MONOTONIC.
"""

from __future__ import annotations

import asyncio
import sys
from array import array
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from time import monotonic_ns
from typing import Final

from rich.console import Console

from streamlanes import clients
from streamlanes.benchmarks.machine.processes import ProcessError
from streamlanes.clients import Started
from streamlanes.demos.drawing import Drawing
from streamlanes.demos.network import LaneNetwork
from streamlanes.demos.reading import LaneReading
from streamlanes.demos.screen import DemoScreen, LanePanel, summary
from streamlanes.demos.stage import MAX_STAMPS, Stage, staged
from streamlanes.demos.words import tell, verdict
from streamlanes.producers.errors import StreamError
from streamlanes.producers.events import JSON

FRAME_SECONDS: Final = 0.125
SLICE_FRAMES: Final = 2
"""Frames for each bar of the latency."""
STALL_SECONDS: Final = 5.0
KEYS: Final = "c cut  s stall 5 s  b buffering proxy  r restart server  n new run  q quit"


class Show:
    """One stream after the other over the same lanes, and what is done to them."""

    def __init__(
        self, stage: Stage, lanes: Sequence[str], producer: str, params: Mapping[str, JSON], tasks: asyncio.TaskGroup
    ) -> None:
        self._stage = stage
        self._lanes = [stage.lanes[name] for name in lanes]
        self._producer = producer
        self._params = params
        self._tasks = tasks
        self._clients = clients.discover()
        self._readings: list[LaneReading] = []
        self._running: list[asyncio.Task[None]] = []
        self._epoch = ""
        self._due = array("q")
        self._frames = 0
        self._note = ""
        self._changing: asyncio.Task[None] | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more will come on any lane."""
        return all(reading.over for reading in self._readings)

    def read(self, started: Started) -> None:
        """Read a stream."""
        self._epoch, self._due = started.cursor.epoch, array("q")
        self._readings = [
            LaneReading(lane, self._clients[lane.wire], lane.through(started.links[lane.name])) for lane in self._lanes
        ]
        self._running = [self._tasks.create_task(reading.run()) for reading in self._readings]

    def leave(self) -> None:
        """Stop reading."""
        for task in self._running:
            task.cancel()

    def press(self, key: str) -> None:
        """Do what a key stands for; unknown ones are nothing."""
        match key:
            case "c":
                for lane in self._lanes:
                    lane.cut()
            case "s":
                for lane in self._lanes:
                    lane.stall(STALL_SECONDS)
            case "b":
                buffering = not self._lanes[0].network.buffering
                for lane in self._lanes:
                    lane.shape(LaneNetwork(buffering=buffering))
            case "r" | "n" if self._changing is None or self._changing.done():
                self._changing = self._tasks.create_task(self._restart() if key == "r" else self._again())

    def frame(self, now_ns: int) -> DemoScreen:
        """Take note of what has come, and return what is to be seen."""
        while more := self._stage.stamps(self._epoch, len(self._due)):
            self._due.extend(stamp.due for stamp in more)
            if len(more) < MAX_STAMPS:
                break
        self._frames += 1
        for reading in self._readings:
            reading.look(now_ns)
            reading.join(self._due)
            if not (self._frames % SLICE_FRAMES or reading.over):
                reading.latencies.slice()
        network = "buffering proxy" if self._lanes[0].network.buffering else "clear network"
        title = f"streamlanes demo · {self._producer} · {network} · {self._note or self.verdict}"
        return DemoScreen(title, self.columns(now_ns), KEYS)

    def columns(self, now_ns: int) -> list[LanePanel]:
        """Return the lanes as they are now."""
        return [column(reading, now_ns) for reading in self._readings]

    @property
    def verdict(self) -> str:
        """Whether lanes agree, in words."""
        return verdict(self._readings)

    async def _restart(self) -> None:
        self._note = "the server is killed and started again …"
        try:
            await self._stage.restart()
            self._note = ""
        except ProcessError as error:
            self._note = f"{error}; r tries again"

    async def _again(self) -> None:
        try:
            started = await clients.start(self._stage.server.url, self._producer, self._params)
            self.leave()
            await asyncio.gather(*self._running, return_exceptions=True)
            self.read(started)
            self._note = ""
        except StreamError as error:
            self._note = f"can't start a stream: {error}; r restarts the server"


def column(reading: LaneReading, now_ns: int) -> LanePanel:
    """Return a lane as it is at *now_ns*."""
    carried = reading.carried
    return LanePanel(
        name=reading.lane.name,
        phase=reading.phase,
        tail=reading.tail,
        slices=tuple(reading.latencies.slices),
        events=reading.events,
        percentiles=reading.latencies.percentiles(50, 99),
        first_ns=reading.first_ns,
        connections=carried.connections,
        reconnects=reading.reconnects,
        up=carried.up,
        down=carried.down,
        lost=reading.lost,
        repeated=reading.repeated,
        digest=reading.digest.text,
        words=tell(reading, now_ns),
    )


async def show(lanes: Sequence[str], producer: str, params: Mapping[str, JSON], console: Console) -> None:
    """Show a stream of *producer* over *lanes* on *console*, then print a summary; also when cancelled.

    With keys, where standard input is a terminal too, until `q`; without, until nothing more will come. Raises
    ProcessError if the server under show doesn't start, StreamError if it won't start the stream.
    """
    keyboard = console.is_terminal and sys.stdin.isatty()
    async with staged() as stage:
        started = await clients.start(stage.server.url, producer, params)
        async with asyncio.TaskGroup() as tasks:
            shown = Show(stage, lanes, producer, params, tasks)
            shown.read(started)
            try:
                with Drawing(keyboard=keyboard) if console.is_terminal else nullcontext() as drawing:
                    await perform(shown, drawing, keyboard=keyboard)
            finally:
                shown.frame(monotonic_ns())
                shown.leave()
                console.print(summary(shown.columns(monotonic_ns()), shown.verdict))


async def perform(shown: Show, drawing: Drawing | None, *, keyboard: bool) -> None:
    """Draw, and do what keys say."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while keyboard or not shown.over:
        due = max(due + FRAME_SECONDS, loop.time())
        await asyncio.sleep(due - loop.time())
        screen = shown.frame(monotonic_ns())
        if drawing is None:
            continue
        drawing.offer(screen)
        while not drawing.keys.empty():
            key = drawing.keys.get_nowait()
            if key == "q":
                return
            shown.press(key)
