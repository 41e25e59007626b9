"""Sessions that are started and abandoned leave nothing behind."""

from __future__ import annotations

import asyncio
import re
import subprocess

import httpx
import pytest

from tests.guarantees.readers import address, own_memory
from tests.serving import serve_process

ARGUMENTS = ("--max-sessions", "20000", "--drain", "0")
BODY = b'{"producer":"ticker","params":{"count":20,"arrivals":"at-once"}}'
REQUEST = (
    b"POST /start HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    % (len(BODY), BODY)
)
ALLOWED = 0.05


async def start(url: str, count: int) -> None:
    """Start so many sessions over one connection."""
    reader, writer = await asyncio.open_connection(*address(url))
    for _ in range(count):
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 201 "), head
        length = re.search(rb"content-length: (\d+)", head)
        assert length is not None
        await reader.readexactly(int(length[1]))
    writer.close()


async def wave(url: str, process: subprocess.Popen[str], count: int) -> int:
    """Start so many sessions, wait until they have been removed, and return the server's memory."""
    async with asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(start(url, count // 8))
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as http:
        while (await http.get("/healthz")).json()["sessions"]:
            await asyncio.sleep(0.1)
    return own_memory(process)


async def test_a_second_wave_of_abandoned_sessions_takes_no_more_than_the_first() -> None:
    # The time-to-live is longer than starting a thousand takes, so that both waves have as many of them at once.
    with serve_process("--session-ttl", "4", *ARGUMENTS) as (url, process):
        async with asyncio.timeout(50):
            first = await wave(url, process, 1000)
            second = await wave(url, process, 1000)
        assert second < first * (1 + ALLOWED), f"{first:,} bytes became {second:,}"


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_a_second_wave_of_ten_thousand_takes_no_more_than_the_first() -> None:
    with serve_process("--session-ttl", "3", *ARGUMENTS) as (url, process):
        first = await wave(url, process, 10_000)
        second = await wave(url, process, 10_000)
        assert second < first * (1 + ALLOWED), f"{first:,} bytes became {second:,}"
