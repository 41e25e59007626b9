"""The other end of each wire: messages as bytes, as docs/wire.md has them, and small servers with faults on order.

A `Peer` holds one ended stream and serves it from whatever cursor it is asked for. A list of steps says what goes
wrong with the first connections; those after it are served well.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import parse_qsl, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from streamlanes.clients.messages import Ended, Gap, Message, NotTaken, Opened, Ping, Received
from streamlanes.producers.events import JSON, Cursor, Event, Outcome, parse_after
from streamlanes.producers.wire import LONG_POLL, NDJSON, SSE, WEBSOCKET, Wire

EPOCH = "k3f9a2"
WIRES = (SSE, WEBSOCKET, LONG_POLL, NDJSON)
MEDIA_TYPES = {SSE: "text/event-stream; charset=utf-8", NDJSON: "application/x-ndjson", LONG_POLL: "application/json"}
CLOSE_CODES = {404: 4404, 410: 4410, 422: 4400}


def at(offset: int) -> Cursor:
    """A place in the test's stream."""
    return Cursor(EPOCH, offset)


def numbered(count: int) -> list[Event]:
    """So many events, of two types."""
    return [
        Event(n, "tick" if n % 3 == 0 else "message", f'{{"n":{n},"text":"zwölf\u2028"}}') for n in range(1, count + 1)
    ]


def as_message(event: Event) -> Received:
    return Received(EPOCH, event)


def control_fields(message: Message) -> tuple[str, dict[str, JSON]]:
    match message:
        case Opened(cursor, heartbeat):
            return "open", {"cursor": str(cursor), "heartbeat": heartbeat}
        case Ping():
            return "ping", {}
        case Gap(after, following, missing):
            return "gap", {"after": str(after), "next": str(following), "missing": missing}
        case Ended(outcome):
            return "end", {"outcome": outcome.value}
        case NotTaken(reason):
            return "refused", {"reason": reason}
        case Received():
            raise TypeError("an event isn't a control message")


def compact(value: JSON) -> str:
    return json.dumps(value, separators=(",", ":"))


def json_text(message: Message) -> str:
    """A WebSocket's frame, a line of NDJSON."""
    if isinstance(message, Received):
        event = message.event
        kind = "" if event.type == "message" else f'"type":"{event.type}",'
        return f'{{"id":"{message.epoch}:{event.offset}",{kind}"data":{event.data}}}'
    name, fields = control_fields(message)
    return compact({"control": name, **fields})


def sse_text(message: Message, end: str = "\n") -> str:
    if isinstance(message, Received):
        event = message.event
        kind = "" if event.type == "message" else f"event: {event.type}{end}"
        return f"id: {message.epoch}:{event.offset}{end}{kind}data: {event.data}{end}{end}"
    name, fields = control_fields(message)
    place = f"id: {message.cursor}{end}" if isinstance(message, Opened) else ""
    return f"{place}event: stream-{name}{end}data: {compact(fields)}{end}{end}"


def poll_text(events: Sequence[Received], cursor: Cursor, outcome: Outcome | None) -> str:
    inside = ",".join(json_text(event) for event in events)
    end = '"done":false}' if outcome is None else f'"done":true,"outcome":"{outcome}"}}'
    return f'{{"events":[{inside}],"cursor":"{cursor}",{end}'


@dataclass(frozen=True, kw_only=True)
class Step:
    """What happens to one connection."""

    messages: Sequence[Message] | None = None
    """Instead of the true stream."""
    cut: int | None = None
    """Cut it after so many bytes of the body, or so many WebSocket frames."""
    whole: bool = False
    """End the response after the cut as if that was all, as a proxy may whose upstream was cut."""
    silent: bool = False
    """Fall silent after the messages, instead of ending the response or closing."""
    status: int = 200
    """Refuse with this status, or the close code that stands for it."""
    fields: Mapping[str, JSON] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class Peer:
    """A server of one wire, one stream, and the faults that were ordered."""

    def __init__(self, wire: Wire, events: Sequence[Event], steps: Sequence[Step]) -> None:
        self.url = ""
        self.asked: list[dict[str, str]] = []
        """The query of each request."""
        self.heads: list[str] = []
        self.connections = 0
        self.heartbeat = 15.0
        self.headers: Mapping[str, str] = {}
        """Sent with every response."""
        self._wire = wire
        self._events = events
        self._steps = steps
        self._open: set[asyncio.Task[object]] = set()

    async def left(self) -> None:
        """Return when no client is connected any more."""
        while self._open:
            await asyncio.wait(set(self._open))

    def step(self) -> Step:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        return self._steps[self.connections - 1] if self.connections <= len(self._steps) else Step()

    def messages(self, step: Step, query: Mapping[str, str]) -> Sequence[Message]:
        if step.messages is not None:
            return step.messages
        start = self.resolve(query)
        following = [as_message(event) for event in self._events if event.offset > start.offset]
        return [Opened(start, self.heartbeat), *following, Ended(Outcome.COMPLETED)]

    def resolve(self, query: Mapping[str, str]) -> Cursor:
        after = parse_after(query["after"])
        return after if isinstance(after, Cursor) else at(0 if after == "start" else len(self._events))

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        step = self.step()
        first = True
        while await self._answer(reader, writer, step, first=first):
            first = False

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, step: Step, *, first: bool
    ) -> bool:
        """Answer a request; True if the connection may carry another."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        query = dict(parse_qsl(urlsplit(head.split(" ")[1]).query))
        self.heads.append(head)
        self.asked.append(query)
        if step.status != 200:
            body = compact({"status": step.status, **step.fields}).encode()
            writer.write(
                response_head(step.status, "application/problem+json", len(body), {**self.headers, **step.headers})
                + body
            )
            await writer.drain()
            return False
        if self._wire == LONG_POLL:
            if first or step.messages is None:
                return await self._answer_poll(writer, step, query)
            if step.silent:
                await reader.read()
            return False
        writer.write(response_head(200, MEDIA_TYPES[self._wire], None, self.headers))
        text = sse_text if self._wire == SSE else lambda message: f"{json_text(message)}\n"
        body = "".join(text(message) for message in self.messages(step, query)).encode()[: step.cut]
        if body:
            writer.write(b"%x\r\n%b\r\n" % (len(body), body))
        await writer.drain()
        if step.silent:
            await reader.read()
        elif step.cut is None or step.whole:
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        return False

    async def _answer_poll(self, writer: asyncio.StreamWriter, step: Step, query: Mapping[str, str]) -> bool:
        messages = self.messages(step, query)
        begin = messages[0].cursor if isinstance(messages[0], Opened) else at(0)
        following = [message for message in messages if isinstance(message, Received)]
        events = following[: int(query.get("limit", 1))]
        cursor = Cursor(events[-1].epoch, events[-1].event.offset) if events else begin
        outcome = next((message.outcome for message in messages if isinstance(message, Ended)), None)
        body = poll_text(events, cursor, outcome if len(events) == len(following) else None).encode()
        writer.write(response_head(200, MEDIA_TYPES[LONG_POLL], len(body), self.headers) + body[: step.cut])
        await writer.drain()
        return step.cut is None

    async def websocket(self, connection: ServerConnection) -> None:
        step = self.step()
        assert connection.request is not None
        query = dict(parse_qsl(urlsplit(connection.request.path).query))
        self.asked.append(query)
        if step.status != 200:
            reason = compact(step.fields) if step.status == 410 else str(step.fields.get("detail", ""))
            await connection.close(CLOSE_CODES.get(step.status, step.status), reason)
            return
        with suppress(ConnectionClosed):
            for message in self.messages(step, query)[: step.cut]:
                await connection.send(json_text(message))
        if step.cut is not None:
            connection.transport.abort()
        elif step.silent:
            await connection.wait_closed()

    def handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        self.heads.append(str(request.headers))
        upcoming = self._steps[self.connections] if self.connections < len(self._steps) else Step()
        if upcoming.status == 200 or upcoming.status in CLOSE_CODES or upcoming.status >= 1000:
            return None
        self.connections += 1
        self.asked.append(dict(parse_qsl(urlsplit(request.path).query)))
        response = connection.respond(HTTPStatus(upcoming.status), compact(upcoming.fields))
        for name, value in upcoming.headers.items():
            response.headers[name] = value
        return response


def response_head(status: int, media_type: str, length: int | None, headers: Mapping[str, str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Type: {media_type}"]
    lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    lines.extend(f"{name}: {value}" for name, value in (headers or {}).items())
    return "\r\n".join([*lines, "", ""]).encode()


Handler: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


@asynccontextmanager
async def listening(handle: Handler) -> AsyncIterator[str]:
    """Run a server of *handle* for each connection; gives its base URL. Leaving waits until its clients have left."""

    async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            try:
                await handle(reader, writer)
            finally:
                writer.close()
                await writer.wait_closed()

    async with asyncio.TaskGroup() as connections:

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.create_task(handled(reader, writer))

        async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def peer(wire: Wire, events: Sequence[Event], *steps: Step) -> AsyncIterator[Peer]:
    """Run a peer; leaving waits until its clients have left."""
    here = Peer(wire, events, steps)
    if wire == WEBSOCKET:
        async with serve(here.websocket, "127.0.0.1", 0, process_request=here.handshake, compression=None) as server:
            here.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws/x"
            yield here
            await here.left()
    else:
        async with listening(here.http) as base:
            here.url = f"{base}/lane/x"
            yield here
