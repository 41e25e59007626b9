"""The floor: `python -m streamlanes.benchmarks.servers.floor` writes the bytes of `sse` from a bare event loop.

No framework, no log, no cursors: an event is framed once, when it is due, and the same bytes are written to every
connection's transport. What it costs is what the event loop and the kernel cost, with the same pump, pacer and journal
as in the real server; a lane's cost is told as a multiple of it. It knows what the load engine asks: `POST /start`,
`GET /floor/{stream}` from the stream's beginning, and of shared streams `GET /sessions/{stream}`.

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
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from streamlanes.benchmarks.machine.event_loop import loop_factory
from streamlanes.benchmarks.servers.http import (
    STREAM_HEAD,
    Connection,
    Request,
    listening,
    terminated,
)
from streamlanes.producers import ticker, tokens
from streamlanes.producers.events import Cursor, Event, Item, Outcome, encode_json
from streamlanes.producers.log.memory import new_epoch
from streamlanes.producers.pacing.journal import Journal
from streamlanes.producers.pacing.pacers import LoopPacer, Pacer, PipePacer
from streamlanes.producers.pacing.pump import pump
from streamlanes.producers.producer import Context
from streamlanes.producers.wire import HEARTBEAT
from streamlanes.transports.framing import SSEFraming
from streamlanes.transports.packing import LAST_CHUNK, chunk

LANE: Final = "floor"
PRODUCERS: Final = {producer.name: producer for producer in (ticker.PRODUCER, tokens.PRODUCER)}

_FRAMING: Final = SSEFraming()


class Stream:
    """One stream and its readers; what the pump appends goes out at once."""

    def __init__(self) -> None:
        self.epoch = new_epoch()
        self.offset = 0
        self.ended = False
        opening = _FRAMING.open(Cursor(self.epoch, 0), HEARTBEAT)
        self._sent = [STREAM_HEAD % b"text/event-stream" + chunk(opening)]
        self._readers: dict[Connection, None] = {}

    @property
    def cursor(self) -> Cursor:
        """Of the last event."""
        return Cursor(self.epoch, self.offset)

    async def append(self, stream: str, items: Sequence[Item]) -> Cursor:
        """Write *items* to all readers, as one chunk."""
        events = [Event(n, item.type, encode_json(item.value)) for n, item in enumerate(items, self.offset + 1)]
        self.offset += len(events)
        self._write(chunk(_FRAMING.events(self.epoch, events)))
        return self.cursor

    def end(self) -> None:
        """Tell all readers that this was all."""
        self.ended = True
        self._write(chunk(_FRAMING.end(self.cursor, Outcome.COMPLETED)) + LAST_CHUNK)
        self._readers.clear()

    def read(self, connection: Connection) -> None:
        """Send everything from the beginning, then what comes."""
        connection.write(b"".join(self._sent))
        if not self.ended:
            self._readers[connection] = None
            connection.on_lost = self._readers.pop

    def _write(self, content: bytes) -> None:
        self._sent.append(content)
        for connection in self._readers:
            connection.write(content)


class FloorServer:
    """The streams of a server, and the tasks that pump them."""

    def __init__(self, tasks: asyncio.TaskGroup, journals: Path | None, pacer: Pacer) -> None:
        self._tasks = tasks
        self._pacer = pacer
        self._journals = journals
        self._streams: dict[str, Stream] = {}
        self._pumps: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """End all pumps: nobody is there to read."""
        for task in self._pumps:
            task.cancel()

    def start(self, name: str, producer: str, params: object) -> Stream:
        """Begin a stream. Raises KeyError, pydantic.ValidationError."""
        items = PRODUCERS[producer].start(params, Context(start_ns=time.monotonic_ns()))
        stream = self._streams[name] = Stream()
        task = self._tasks.create_task(self._pump(items, stream))
        self._pumps.add(task)
        task.add_done_callback(self._pumps.discard)
        return stream

    async def _pump(self, items: AsyncGenerator[Item, None], stream: Stream) -> None:
        journaling = nullcontext() if self._journals is None else Journal(self._journals, stream.epoch)
        with journaling as journal:
            await pump(items, stream, LANE, pacer=self._pacer, journal=journal)
        stream.end()

    def answer(self, connection: Connection, request: Request) -> None:
        """Answer one request."""
        match request.method, request.path.split("/")[1:]:
            case "POST", ["start"]:
                self._start(connection, request.body)
            case "GET", ["floor", name] if name in self._streams:
                self._streams[name].read(connection)
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
        links = {LANE: f"/{LANE}/{name}"}
        connection.respond("201 Created", {"session_id": name, "cursor": str(stream.cursor), "links": links})


async def serve(port: int, journals: Path | None, pacer: Pacer, streams: Mapping[str, str]) -> None:
    """Serve until the process is asked to go; *streams* are shared ones, as PRODUCER,KEY=VALUE,…"""
    async with asyncio.TaskGroup() as tasks:
        floor = FloorServer(tasks, journals, pacer)
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
        prog="python -m streamlanes.benchmarks.servers.floor", description="SSE from a bare loop."
    )
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
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
        runner.run(serve(options.port, options.journal, pacer, streams))


if __name__ == "__main__":
    main()
