"""The server under show: a child process that can be killed and started again, on the same port."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from streamlanes.benchmarks.machine.processes import Child, ProcessError, child
from streamlanes.benchmarks.trial.server import PRODUCT, ready


class ServerProcess:
    """`streamlanes serve` with all lanes and a journal; a context manager, after which it is gone.

    It also goes when this process does, however that happens (`benchmarks.launch`).
    """

    def __init__(self, folder: Path, origins: Sequence[str]) -> None:
        """Prepare a server whose log and journal are in *folder*; pages of *origins* may read from it."""
        self.journal = folder / "journal"
        self.journal.mkdir()
        self.boot = 0
        """How many times it has been started."""
        self.url = ""
        """Its own address, which stays over restarts."""
        self._folder = folder
        self._origins = origins
        self._child: Child | None = None
        self._stack = ExitStack()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._child is not None and self._child.process.poll() is None

    @property
    def pid(self) -> int | None:
        """Of the process that was started last."""
        return None if self._child is None else self._child.process.pid

    async def start(self) -> None:
        """Start it, after killing the one that runs; return once it listens. Raises ProcessError if it doesn't."""
        self.kill()
        # Here and not in a thread: the kernel kills a child when the thread that made it ends (PR_SET_PDEATHSIG).
        self._child = self._stack.enter_context(child("server", self._command(), folder=self._folder))
        try:
            self.url = await asyncio.to_thread(ready, self._child)
        except ProcessError:
            self.kill()
            raise
        self.boot += 1

    def kill(self) -> None:
        """Kill it (SIGKILL): what it had in memory is gone."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _command(self) -> list[str]:
        # What the environment may say of hosts and origins is about other servers.
        return [
            *(sys.executable, "-P", "-m", *PRODUCT),
            *("--port", str(urlsplit(self.url).port or 0)),
            *("--journal", str(self.journal)),
            "--baselines",
            *("--allowed-hosts", "127.0.0.1"),
            *("--allowed-origins", ",".join(self._origins)),
        ]
