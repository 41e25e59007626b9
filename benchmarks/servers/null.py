"""The null server: `python -m streamlanes.benchmarks.servers.null` has every wire's answers ready and pours them out.

It makes its events before it is ready; then a stream is one write of a buffer and a poll one look-up, so that how fast
events come is how fast the load engine takes them. It knows what the engine asks of a shared stream: its state, and
`GET /{lane}/{stream}` on the lanes of LANES. On the way it goes as a server does that is far ahead of its readers: in
chunks of CHUNK events, WebSocket messages in a frame each.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from streamlanes.benchmarks.machine.event_loop import loop_factory
from streamlanes.benchmarks.servers.http import (
    NORMAL_CLOSE,
    STREAM_HEAD,
    Connection,
    Request,
    listening,
    response,
    terminated,
    upgraded,
)
from streamlanes.producers import ticker
from streamlanes.producers.events import DEFAULT_TYPE, Cursor, Event, Outcome, encode_json
from streamlanes.producers.log.event_log import Batch
from streamlanes.producers.producer import Context
from streamlanes.producers.wire import HEARTBEAT, LONG_POLL, NDJSON, SSE, WEBSOCKET, Wire
from streamlanes.transports.framing import NDJSONFraming, SSEFraming, WebSocketFraming, poll_body, poll_events
from streamlanes.transports.packing import LAST_CHUNK, chunk, text_frames

LANES: Final[Mapping[str, Wire]] = {"sse": SSE, "ws": WEBSOCKET, "ndjson": NDJSON, "poll": LONG_POLL}
STREAM: Final = "prefilled"
EPOCH: Final = "null"
CHUNK: Final = 256


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that will be sent."""

    events: int
    streams: Mapping[str, bytes]
    """Whole answers, by lane, to a reader that starts at the start; of `ws`, what follows the handshake."""
    polls: Mapping[str, bytes]
    """Whole responses, by `after`."""


async def prepare(events: int, size: int, poll_limit: int) -> Prepared:
    """Make *events* events of *size* bytes, at most *poll_limit* of them a poll."""
    params = {"arrivals": "at-once", "count": events, "size": size}
    async with aclosing(ticker.PRODUCER.start(params, Context(start_ns=0))) as items:
        texts = [encode_json(item.value) async for item in items]
    made = [Event(n, DEFAULT_TYPE, text) for n, text in enumerate(texts, 1)]
    start, end = Cursor(EPOCH, 0), Cursor(EPOCH, events)
    batches = [made[i : i + CHUNK] for i in range(0, events, CHUNK)]
    streams = {}
    for lane, framing, content_type in (
        ("sse", SSEFraming(), b"text/event-stream"),
        ("ndjson", NDJSONFraming(), b"application/x-ndjson"),
    ):
        chunks = [framing.open(start, HEARTBEAT)]
        chunks += [framing.events(EPOCH, batch) for batch in batches]
        chunks.append(framing.end(end, Outcome.COMPLETED))
        streams[lane] = STREAM_HEAD % content_type + b"".join(map(chunk, chunks)) + LAST_CHUNK
    messages = WebSocketFraming()
    frames = [
        *messages.open(start, HEARTBEAT),
        *messages.events(EPOCH, made),
        *messages.end(end, Outcome.COMPLETED),
    ]
    streams["ws"] = text_frames(frames) + NORMAL_CLOSE
    return Prepared(events, streams, _polls(made, poll_limit))


def _polls(events: Sequence[Event], limit: int) -> dict[str, bytes]:
    polls = {}
    for place in range(0, len(events), limit):
        some = events[place : place + limit]
        cursor = Cursor(EPOCH, place + len(some))
        outcome = Outcome.COMPLETED if cursor.offset == len(events) else None
        body = poll_body(poll_events(EPOCH, some), Batch(tuple(some), cursor, outcome))
        polls[str(Cursor(EPOCH, place)) if place else "start"] = response("200 OK", body)
    return polls


@dataclass(frozen=True, slots=True)
class Null:
    """Answers the load engine's requests."""

    prepared: Prepared

    def answer(self, connection: Connection, request: Request) -> None:
        """Answer one request by one write."""
        _, first, *rest = request.path.split("/")
        if first == "sessions":
            state = {"state": "completed", "head": f"{EPOCH}:{self.prepared.events}"}
            connection.respond("200 OK", state)
        elif first == "poll":
            after = parse_qs(request.query).get("after", ["start"])[0]
            connection.write(self.prepared.polls.get(after, response("410 Gone", b"{}")))
        elif first == "ws":
            connection.write(upgraded(connection, request) + self.prepared.streams["ws"])
        elif first in self.prepared.streams:
            connection.write(self.prepared.streams[first])
        else:
            connection.respond("404 Not Found", {"detail": "/".join(rest)})


async def serve(port: int, events: int, size: int, poll_limit: int) -> None:
    """Serve until the process is asked to go."""
    null = Null(await prepare(events, size, poll_limit))
    async with listening(null.answer, port) as url:
        sys.stdout.write(f"listening on {url}\n")
        sys.stdout.flush()
        await terminated()


def main() -> None:
    """Run the server."""
    parser = argparse.ArgumentParser(
        prog="python -m streamlanes.benchmarks.servers.null", description=(__doc__ or "").split(":")[0]
    )
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--events", type=int, default=50_000, help="that a stream has")
    parser.add_argument("--size", type=int, default=128, help="bytes of each event's JSON")
    parser.add_argument("--poll-limit", type=int, default=256, help="events a poll")
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(options.port, options.events, options.size, options.poll_limit))


if __name__ == "__main__":
    main()
