"""What docs/deploying.md shows works as it stands there."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.requests import HTTPConnection

from streamlanes import clients
from streamlanes.clients import Options, start
from streamlanes.producers.errors import RequestRejected, StreamOrphaned
from streamlanes.transports import Transport, discover
from streamlanes.transports.door.authorization import Authorize, Forbidden, Unauthenticated
from streamlanes.transports.server.uvicorn_server import bind, url_of

PAGE = (Path(__file__).parents[2] / "docs" / "deploying.md").read_text()
APP, RUN, HOOK = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PATIENT = Options(open_timeout=40)  # the process is only being started
TOLD = Options(headers={"Authorization": "Bearer s3cret"})


@contextmanager
def deployed(folder: Path, how: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the page's app with the page's command, or from the page's Python.

    Gives the base URL and the process, which ends with the block.
    """
    (folder / "main.py").write_text(APP)
    [command] = re.findall(r"^\$ uvicorn (.*)$", PAGE, re.MULTILINE)
    with bind("127.0.0.1", 0) as listener:
        run = RUN.replace('"main:app",', f'"main:app", fd={listener.fileno()},')
        assert run != RUN
        (folder / "run.py").write_text(run)
        ways = {
            "command": [sys.executable, "-m", "uvicorn", *shlex.split(command), "--fd", str(listener.fileno())],
            "python": [sys.executable, "run.py"],
        }
        process = subprocess.Popen(
            ways[how],
            cwd=folder,
            env={**os.environ, "STREAMS_TOKEN": "s3cret", "STREAMLANES_DRAIN": "0.2"},
            pass_fds=[listener.fileno()],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield f"{url_of(listener)}/streams", process
        finally:
            process.kill()
            process.communicate(timeout=10)


@pytest.mark.parametrize("how", ["command", "python"])
@pytest.mark.parametrize("transport", discover().values(), ids=lambda transport: transport.name)
async def test_the_app_serves_and_leaves_at_sigterm(transport: Transport, how: str, tmp_path: Path) -> None:
    client = clients.discover()[transport.wire]
    with deployed(tmp_path, how) as (url, process):
        async with asyncio.timeout(50):
            with pytest.raises(RequestRejected, match="token"):
                await start(url, "tokens", options=PATIENT)
            started = await start(url, "ticker", {"rate": 0.01}, options=TOLD)
            async with client.connect(f"{url}/{transport.name}/news", options=TOLD) as news:
                await anext(news)
            async with client.connect(started.links[transport.name], options=TOLD) as stream:
                await anext(stream)
                process.send_signal(signal.SIGTERM)
                with pytest.raises(StreamOrphaned):
                    await anext(stream)
                assert stream.reconnects == 0
        logged, _ = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGTERM  # as uvicorn leaves after it
    assert "Traceback" not in logged
    assert started.session_id not in logged


async def test_the_hook_lets_pass_whom_it_says() -> None:
    defined: dict[str, Authorize] = {}
    exec(compile(HOOK, "deploying.md", "exec"), defined)
    authorize = defined["authorize"]
    await authorize(asking("/streams/healthz"))
    await authorize(asking("/streams/sse/x", (b"authorization", b"Bearer s3cret")))
    await authorize(asking("/streams/sse/x", (b"cookie", b"streams=s3cret")))
    with pytest.raises(Unauthenticated):
        await authorize(asking("/streams/sse/x"))
    with pytest.raises(Forbidden):
        await authorize(asking("/streams/metrics", (b"authorization", b"Bearer s3cret")))


def asking(path: str, *headers: tuple[bytes, bytes]) -> HTTPConnection:
    ours = {"type": "http", "scheme": "http", "server": ("127.0.0.1", 80), "client": ("10.0.0.1", 1)}
    return HTTPConnection({**ours, "path": path, "headers": headers})
