"""A server of another make, for tests: events go in by PUT and come out as SSE, wrapped, perhaps not all."""

from __future__ import annotations

import asyncio
import re
import sys
from collections import defaultdict

from streamlanes.benchmarks.servers.http import STREAM_HEAD, Connection, Request, listening, response, terminated
from streamlanes.transports.packing import chunk

PLACE = 40
"""The event that is lost, repeated, swapped with the next one, or changed."""


class Foreign:
    """The channels and who reads them."""

    def __init__(self, option: str) -> None:
        self._option = option
        self._readers: dict[str, list[Connection]] = defaultdict(list)
        self._sent: dict[str, bytes] = defaultdict(bytes)
        self._held = b""

    def answer(self, connection: Connection, request: Request) -> None:
        if request.path == "/ready":
            connection.write(response("200 OK", b"{}"))
        elif request.path.startswith("/sub/"):
            connection.write(STREAM_HEAD % b"text/event-stream" + chunk(b": hello\r\n\r\nevent: news\r\n"))
            topic = request.path.removeprefix("/sub/")
            connection.write(self._sent[topic])
            self._readers[topic].append(connection)
        elif request.path == "/pub":
            connection.write(response("202 Accepted", b""))
            self._publish(request.query.removeprefix("topic="), request.body)
        else:
            connection.write(response("404 Not Found", b"{}"))

    def _publish(self, topic: str, body: bytes) -> None:
        content = chunk(b"id: x\r\ndata: %b\r\n\r\n" % body)
        if re.search(rb'"n":%d,' % PLACE, body):
            match self._option:
                case "lose":
                    content = b""
                case "repeat":
                    content += content
                case "swap":
                    self._held, content = content, b""
                case "change":
                    content = content.replace(b'"text":"', b'"text":"+').replace(b'."}', b'"}')
        elif self._held:
            content, self._held = content + self._held, b""
        self._sent[topic] += content
        for reader in self._readers[topic]:
            reader.write(content)


async def serve(port: int, option: str) -> None:
    async with listening(Foreign(option).answer, port):
        await terminated()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
