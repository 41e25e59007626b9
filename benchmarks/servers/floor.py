"""The floor: `python -m streamlanes.benchmarks.servers.floor` writes a lane's bytes from a bare event loop.

No framework, no log, no cursors: an event is framed once, when it is due, and the same bytes are written to every
connection's transport. What it costs is what the event loop and the kernel cost, with the same pump, pacer and journal
as in the real server; a lane's cost is told as a multiple of it. It knows what the load engine asks: `POST /start`,
`GET /{lane}/{stream}`, and of shared streams `GET /sessions/{stream}`. The lanes are `floor` (SSE), `floor-ws` and
`floor-poll`, one of which a process has.

It keeps all that it has sent, and waits for its readers without a bound: for measurements only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import socket
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final, Protocol

from pydantic import ValidationError

from streamlanes.benchmarks.machine.event_loop import loop_factory
from streamlanes.benchmarks.servers.floor_wires import LANES
from streamlanes.benchmarks.servers.http import Connection, Request, listening, terminated
from streamlanes.producers import ticker, tokens
from streamlanes.producers.events import Cursor, Event, Item, Outcome, encode_json
from streamlanes.producers.log.memory import new_epoch
from streamlanes.producers.pacing.journal import Journal
from streamlanes.producers.pacing.pacers import LoopPacer, Pacer, PipePacer
from streamlanes.producers.pacing.pump import pump
from streamlanes.producers.producer import Context

PRODUCERS: Final = {producer.name: producer for producer in (ticker.PRODUCER, tokens.PRODUCER)}


class Writes(Protocol):
    """A wire's readers of one stream."""

    def read(self, connection: Connection, request: Request) -> None:
        """Send what there is to *connection*, and later what comes."""
        ...

    def append(self, events: Sequence[Event]) -> None:
        """Send *events* to all."""
        ...

    def end(self) -> None:
        """Tell all that this was all."""
        ...


class Stream:
    """One stream and its readers; what the pump appends goes out at once."""

    def __init__(self, wire: Callable[[str], Writes]) -> None:
        self.epoch = new_epoch()
        self.offset = 0
        self.ended = False
        self.readers = wire(self.epoch)

    @property
    def cursor(self) -> Cursor:
        """Of the last event."""
        return Cursor(self.epoch, self.offset)

    async def append(self, stream: str, items: Sequence[Item]) -> Cursor:
        """Write *items* to all readers, in one piece."""
        events = [Event(n, item.type, encode_json(item.value)) for n, item in enumerate(items, self.offset + 1)]
        self.offset += len(events)
        self.readers.append(events)
        return self.cursor

    def end(self) -> None:
        """End it."""
        self.ended = True
        self.readers.end()


class FloorServer:
    """The streams of a server, and the tasks that pump them."""

    def __init__(self, tasks: asyncio.TaskGroup, journals: Path | None, pacer: Pacer, lane: str) -> None:
        self._tasks = tasks
        self._pacer = pacer
        self._journals = journals
        self._lane = lane
        self._streams: dict[str, Stream] = {}
        self._pumps: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """End all pumps: nobody is there to read."""
        for task in self._pumps:
            task.cancel()

    def start(self, name: str, producer: str, params: object) -> Stream:
        """Begin a stream. Raises KeyError, pydantic.ValidationError."""
        items = PRODUCERS[producer].start(params, Context(start_ns=time.monotonic_ns()))
        stream = self._streams[name] = Stream(LANES[self._lane])
        task = self._tasks.create_task(self._pump(items, stream))
        self._pumps.add(task)
        task.add_done_callback(self._pumps.discard)
        return stream

    async def _pump(self, items: AsyncGenerator[Item, None], stream: Stream) -> None:
        journaling = nullcontext() if self._journals is None else Journal(self._journals, stream.epoch)
        with journaling as journal:
            await pump(items, stream, self._lane, pacer=self._pacer, journal=journal)
        stream.end()

    def answer(self, connection: Connection, request: Request) -> None:
        """Answer one request."""
        match request.method, request.path.split("/")[1:]:
            case "POST", ["start"]:
                self._start(connection, request.body)
            case "GET", [self._lane, name] if name in self._streams:
                self._streams[name].readers.read(connection, request)
            case "GET", ["sessions", name] if name in self._streams:
                stream = self._streams[name]
                state = Outcome.COMPLETED if stream.ended else "running"
                connection.respond("200 OK", {"state": state, "head": str(stream.cursor)})
            case _:
                connection.respond("404 Not Found", {"detail": "the floor has no more than the load engine asks for"})

    def _start(self, connection: Connection, body: bytes) -> None:
        name = secrets.token_hex(16)
        try:
            asked = json.loads(body)
            stream = self.start(name, asked["producer"], asked["params"])
        except (ValueError, TypeError, KeyError, ValidationError) as error:
            connection.respond("422 Unprocessable Content", {"detail": f"the floor can't start this: {error!r}"})
            return
        links = {self._lane: f"/{self._lane}/{name}"}
        connection.respond("201 Created", {"session_id": name, "cursor": str(stream.cursor), "links": links})


async def serve(port: int, journals: Path | None, pacer: Pacer, lane: str, streams: Mapping[str, str]) -> None:
    """Serve until the process is asked to go; *streams* are shared ones, as PRODUCER,KEY=VALUE,…"""
    async with asyncio.TaskGroup() as tasks:
        floor = FloorServer(tasks, journals, pacer, lane)
        for name, text in streams.items():
            producer, *pairs = text.split(",")
            floor.start(name, producer, dict(pair.split("=", 1) for pair in pairs))
        async with listening(floor.answer, port) as url:
            sys.stdout.write(f"listening on {url}\n")
            sys.stdout.flush()
            await terminated()
        floor.stop()


def main() -> None:
    """Run the server."""
    parser = argparse.ArgumentParser(
        prog="python -m streamlanes.benchmarks.servers.floor", description="A wire's bytes from a bare event loop."
    )
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--lane", choices=sorted(LANES), default="floor", help="the one that is served")
    parser.add_argument("--journal", type=Path, help="the folder for journals")
    parser.add_argument(
        "--stream", action="append", default=[], metavar="NAME=PRODUCER,KEY=VALUE,…", help="a shared stream"
    )
    parser.add_argument("--pacer", type=int, help="the descriptor of a socket to `producers.pacer`")
    for kept in ("--retain-events", "--retain-bytes"):
        parser.add_argument(kept, help="everything is kept anyway")
    options = parser.parse_args()
    streams = dict(stream.split("=", 1) for stream in options.stream)
    pacer = LoopPacer() if options.pacer is None else PipePacer(socket.socket(fileno=options.pacer))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(options.port, options.journal, pacer, options.lane, streams))


if __name__ == "__main__":
    main()
