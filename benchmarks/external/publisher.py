"""The publisher: `python -m streamlanes.benchmarks.external.publisher` feeds another server with our streams.

To the harness it is the server: it answers `POST /start` with a link to where the stream can be read, which is at the
other server, and sends the events there when they are due, each in a request of its own on one connection per stream.
Its lane, filled in but for `{channel}` and `{data}`, is JSON on standard input.

Its log is the journal. An event's append is when its request is about to be written: a reader may have the event before
the answer comes. A request follows the answer to the one before, for the order; an event that becomes due meanwhile
waits, and the wait is in its queueing, since it is the server that is slow. An answer that isn't 2xx ends the
publisher, and with it the trial.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Final
from urllib.parse import quote

import aiohttp
from pydantic import TypeAdapter, ValidationError
from yarl import URL

from streamlanes.benchmarks.engine.timers import Alarm
from streamlanes.benchmarks.external.description import ExternalLane, filled
from streamlanes.benchmarks.machine.event_loop import loop_factory
from streamlanes.benchmarks.servers.http import Connection, Request, listening, terminated
from streamlanes.producers import ticker
from streamlanes.producers.events import JSON, Cursor, Item, encode_json
from streamlanes.producers.log.memory import new_epoch
from streamlanes.producers.pacing.journal import Journal
from streamlanes.producers.producer import Context

LANE: Final = TypeAdapter(ExternalLane)
ANSWER_SECONDS: Final = 10.0
"""Seconds that the server may take to answer a request."""


class PublishError(Exception):
    """The server didn't take an event."""


class Publisher:
    """The streams of one lane, and the tasks that publish them."""

    def __init__(self, lane: ExternalLane, journals: Path, tasks: asyncio.TaskGroup, alarm: Alarm) -> None:
        self._lane = lane
        self._journals = journals
        self._tasks = tasks
        self._alarm = alarm
        self._running: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """End all streams: nobody is there to read."""
        for task in self._running:
            task.cancel()

    def answer(self, connection: Connection, request: Request) -> None:
        """Answer `POST /start`."""
        if (request.method, request.path) != ("POST", "/start"):
            connection.respond("404 Not Found", {"detail": "the stream itself is at the other server"})
            return
        try:
            asked = json.loads(request.body)
            # A reader needs the events' numbers, which only those of ticker have in them.
            producer = {ticker.PRODUCER.name: ticker.PRODUCER}[asked["producer"]]
            items = producer.start(asked["params"], Context(start_ns=time.monotonic_ns()))
        except (ValueError, TypeError, KeyError, ValidationError) as error:
            fault = f"other servers can be sent a ticker only: {error!r}"
            connection.respond("422 Unprocessable Content", {"detail": fault})
            return
        epoch, channel = new_epoch(), secrets.token_hex(16)
        task = self._tasks.create_task(self._publish(items, epoch, channel))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        link = filled(self._lane.subscribe, {"channel": channel})
        links: JSON = {self._lane.name: link}
        connection.respond("201 Created", {"session_id": channel, "cursor": str(Cursor(epoch, 0)), "links": links})

    async def _publish(self, items: AsyncGenerator[Item, None], epoch: str, channel: str) -> None:
        url = URL(filled(self._lane.publish, {"channel": channel}), encoded=True)
        body = filled(self._lane.body, {"channel": channel})
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        woke = 0
        with Journal(self._journals, epoch) as journal:
            async with aclosing(items), aiohttp.ClientSession(headers=self._lane.headers, timeout=timeout) as http:
                async for item in items:
                    data = encode_json(item.value)
                    content = filled(body, {"data_quoted": quote(data, safe=""), "data": data}).encode()
                    if item.due_ns is not None and item.due_ns > time.monotonic_ns():
                        await self._alarm.until(item.due_ns)
                        woke = time.monotonic_ns()
                    # Before it is sent: in the file by the time that somebody can have received it.
                    journal.write([item], woke, time.monotonic_ns())
                    await self._send(http, url, content)

    async def _send(self, http: aiohttp.ClientSession, url: URL, content: bytes) -> None:
        try:
            async with http.request(self._lane.method, url, data=content) as response:
                answer = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise PublishError(f"{self._lane.method} {url.path}: {error!r}") from error
        if not response.ok:
            raise PublishError(f"{self._lane.method} {url.path}: {response.status}: {answer[:200]!r}")


async def serve(lane: ExternalLane, journals: Path) -> None:
    """Serve until the process is asked to go. Raises PublishError."""
    try:
        with Alarm() as alarm:
            async with asyncio.TaskGroup() as tasks:
                publisher = Publisher(lane, journals, tasks, alarm)
                async with listening(publisher.answer, 0) as url:
                    sys.stdout.write(f"listening on {url}\n")
                    sys.stdout.flush()
                    await terminated()
                publisher.stop()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


def dump(lane: ExternalLane, values: Mapping[str, str]) -> bytes:
    """Return what the publisher is to have on standard input."""
    settings = json.loads(LANE.dump_json(lane))
    return json.dumps(
        {**settings, **{key: filled(settings[key], values) for key in ("subscribe", "publish", "body")}}
    ).encode()


def main() -> int:
    """Run the publisher; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m streamlanes.benchmarks.external.publisher", description="Feed another server."
    )
    parser.add_argument("--journal", type=Path, required=True, help="the folder for journals")
    journals: Path = parser.parse_args().journal
    lane = LANE.validate_json(sys.stdin.buffer.read())
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(lane, journals))
    except PublishError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
