"""The process of further readers, where it goes wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from streamlanes.benchmarks.machine.processes import ProcessError
from streamlanes.demos.crowd import CrowdProcess
from streamlanes.demos.readers import LaneCounts, LaneLink
from tests.demos.staging import DEADLINE


async def test_readers_that_reach_nobody_are_counted(tmp_path: Path) -> None:
    with socket.socket() as bound, CrowdProcess(tmp_path) as crowd:
        bound.bind(("127.0.0.1", 0))  # and doesn't listen
        async with asyncio.timeout(DEADLINE):
            await crowd.gather([LaneLink(f"http://127.0.0.1:{bound.getsockname()[1]}/sse/news", "sse")], 3)
            while crowd.counts != LaneCounts(count=0, received=0, faults=3):
                await asyncio.sleep(0.02)


async def test_readers_of_a_process_that_is_killed_are_counted(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, CrowdProcess(tmp_path) as crowd:
        async with asyncio.timeout(DEADLINE):
            await crowd.gather([LaneLink(f"http://127.0.0.1:{silent.getsockname()[1]}/sse/news", "sse")], 3)
            assert crowd.counts == LaneCounts(count=3)
            kill_readers()
            while crowd.counts != LaneCounts(count=0, faults=3):
                await asyncio.sleep(0.02)


def kill_readers() -> None:
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        if b"streamlanes.demos.readers" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(int(child), signal.SIGKILL)


async def test_a_process_that_dies_is_told(tmp_path: Path) -> None:
    with CrowdProcess(tmp_path) as crowd:
        async with asyncio.timeout(DEADLINE):
            with pytest.raises(ProcessError, match="the readers didn't start"):
                await crowd.gather([LaneLink("http://127.0.0.1:9/sse/news", "sse")], -1)
        assert crowd.counts == LaneCounts()
