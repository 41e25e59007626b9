"""Apps in folders of their own, run as a user runs them: `uvicorn app:app` there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serving_folder(
    folder: Path,
    *,
    app: str = "app:app",
    options: tuple[str, ...] = ("--no-access-log",),
    python: Path = Path(sys.executable),
    env: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Run uvicorn in *folder* on port 0 until the block ends; gives the app's URL."""
    command = [str(python), "-m", "uvicorn", app, "--port", "0", *options]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | dict(env or {})
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stderr is not None
        try:
            said = ""
            url = None
            while url is None:
                line = server.stderr.readline()
                assert line, f"it didn't start: {said}"
                said += line
                found = re.search(r"running on (http://\S+)", line)
                url = found and found[1]
            yield url
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()
