"""A chat completion API for tests: an asyncio server that answers as it is told, byte by byte where that matters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias

Step: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What is done with one request, after it has been read; then the connection is closed."""

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
DONE = b"data: [DONE]\n\n"


@dataclass
class Api:
    """The server, as a test sees it."""

    url: str = ""
    requests: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    """Headers and body of each so far."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a request was closed from the other side, before it was answered to the end."""


@asynccontextmanager
async def completions(*steps: Step) -> AsyncIterator[Api]:
    """Answer the first requests by *steps*, all later ones as the last of them."""
    api = Api()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            headers = {
                name.lower(): value for name, _, value in (row.partition(": ") for row in head.split("\r\n")[1:])
            }
            api.requests.append((headers, json.loads(await reader.readexactly(int(headers["content-length"])))))
            await steps[min(len(api.requests), len(steps)) - 1](reader, writer)
        except ConnectionError:
            api.left.set()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        api.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/chat/completions"
        yield api


def chunk(text: str | None = None, *, finish_reason: str | None = None, **fields: object) -> bytes:
    """An event of an answer."""
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": finish_reason}
    value = {"object": "chat.completion.chunk", "choices": [choice], **fields}
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def saying(*texts: str) -> bytes:
    """A whole answer."""
    return b"".join([chunk(""), *map(chunk, texts), chunk(finish_reason="stop"), DONE])


def answering(*parts: bytes, end: bool = True, media_type: str = "text/event-stream") -> Step:
    """An event stream in these chunks of HTTP; without *end*, it is cut there."""

    async def step(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % media_type.encode())
        for part in parts:
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await writer.drain()
        if end:
            writer.write(b"0\r\n\r\n")

    return step


def holding(*parts: bytes, silent: bool = False) -> Step:
    """Send these parts of an answer, or nothing at all, and then nothing until the other side closes."""

    async def step(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not silent:
            await answering(*parts, end=False)(reader, writer)
        await reader.read()
        raise ConnectionError

    return step


def flooding(part: bytes) -> Step:
    """Send *part* over and over until the other side closes."""

    async def step(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering(end=False)(reader, writer)
        while not reader.at_eof():
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await writer.drain()
            await asyncio.sleep(0)
        raise ConnectionError

    return step


def refusing(status: int, body: bytes = b"", *headers: str, media_type: str = "application/json") -> Step:
    """Answer with another status, or another media type."""

    async def step(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        rows: Sequence[str] = (
            f"Content-Type: {media_type}",
            f"Content-Length: {len(body)}",
            "Connection: close",
            *headers,
        )
        writer.write(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode())
        writer.write("".join(f"{row}\r\n" for row in rows).encode() + b"\r\n" + body)

    return step


async def dropping(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close the connection without a word."""
    writer.close()
