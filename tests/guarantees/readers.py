"""Readers as plain sockets, which do what no client would, and what the kernel says about a server."""

from __future__ import annotations

import asyncio
import ctypes
import re
import socket
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from streamlanes.producers.wire import LONG_POLL, WEBSOCKET
from streamlanes.transports import Transport

RECEIVE_BUFFER: Final = 4096
"""A small one, so that little is on its way to a reader that takes nothing."""

SO_ATTACH_FILTER: Final = 26


def address(url: str) -> tuple[str, int]:
    """The host and port of *url*."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def request(transport: Transport, stream: str, query: str = "") -> bytes:
    """What asks for *stream* over a lane; the handshake where that is WebSocket."""
    lines = [f"GET /{transport.name}/{stream}?{query} HTTP/1.1", "Host: localhost"]
    if transport.wire == WEBSOCKET:
        lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
        lines += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def connect(url: str, data: bytes = b"", *, receive_buffer: int | None = RECEIVE_BUFFER) -> socket.socket:
    """A blocking socket that has sent *data*, and that nobody reads from."""
    sock = socket.socket()
    sock.settimeout(10)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.connect(address(url))
    sock.sendall(data)
    return sock


def deafen(sock: socket.socket) -> None:
    """Have the kernel drop what comes before TCP sees it: nothing is acknowledged, as after a power cut here."""
    program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # a socket filter that says: return 0
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))


def gone_from_kernel(client: socket.socket) -> bool:
    """Whether the server's end of this connection has left its kernel, with whatever it held."""
    return not server_ends([client])


def server_ends(clients: list[socket.socket]) -> int:
    """How many of these connections have an end at the server, in whatever state."""
    pairs = {(client.getpeername()[1], client.getsockname()[1]) for client in clients if _connected(client)}
    return sum(1 for pair in _tcp_ends() if pair in pairs)


def ends_at(port: int) -> int:
    """How many connections the server at *port* has that are established."""
    return sum(1 for local, _ in _tcp_ends(state="01") if local == port)


def _connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:  # it was reset, and so is gone
        return False
    return True


def _tcp_ends(state: str = "") -> list[tuple[int, int]]:
    ends: list[tuple[int, int]] = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, found, *_ = line.split()
        if found.startswith(state) and found != "06":  # TIME_WAIT holds nothing
            ends.append((int(local.split(":")[1], 16), int(remote.split(":")[1], 16)))
    return ends


def open_files(process: subprocess.Popen[str]) -> int:
    """How many files, sockets among them, a process has open."""
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


def own_memory(process: subprocess.Popen[str]) -> int:
    """The bytes of a process that no other one shares (USS)."""
    text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    return sum(int(kib) * 1024 for kib in re.findall(r"^Private_\w+: +(\d+) kB", text, re.MULTILINE))


async def until(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until *condition*, which nothing else tells of; returns how long that took."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    while not condition():
        assert loop.time() < begin + seconds, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.02)
    return loop.time() - begin


class Crowd:
    """Readers of one stream that keep what they got, cheaply enough for hundreds in one process.

    Each value is `{"n": …}`; what is kept is the numbers, and when each came.
    """

    _NUMBER = re.compile(rb'"data":\{"n":(\d+)\}|^data: \{"n":(\d+)\}', re.MULTILINE)
    _PLACE = re.compile(rb'"cursor":"([^"]+)"')

    def __init__(self, url: str, stream: str) -> None:
        self.url = url
        self.stream = stream
        self.numbers: list[list[int]] = []
        self.times: list[list[float]] = []

    async def read(self, transport: Transport) -> None:
        """Read from `now` on, until cancelled."""
        numbers: list[int] = []
        times: list[float] = []
        reader, writer = await asyncio.open_connection(*address(self.url))
        self.numbers.append(numbers)
        self.times.append(times)
        try:
            if transport.wire == LONG_POLL:
                await self._poll(transport, reader, writer, numbers, times)
            writer.write(request(transport, self.stream, "after=now"))
            held = b""
            while data := await reader.read(65536):
                held += data
                end = 0
                for match in self._NUMBER.finditer(held):
                    self._keep(match, numbers, times)
                    end = match.end()
                held = held[end:][-200:]
        finally:
            writer.close()

    async def _poll(
        self,
        transport: Transport,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        numbers: list[int],
        times: list[float],
    ) -> None:
        query = "after=now&wait=0"
        while True:
            writer.write(request(transport, self.stream, query))
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            assert length is not None, head
            body = await reader.readexactly(int(length[1]))
            for match in self._NUMBER.finditer(body):
                self._keep(match, numbers, times)
            place = self._PLACE.search(body)
            assert place is not None, body
            query = f"after={place[1].decode()}&wait=30"

    def _keep(self, match: re.Match[bytes], numbers: list[int], times: list[float]) -> None:
        numbers.append(int(match[1] or match[2]))
        times.append(asyncio.get_running_loop().time())
