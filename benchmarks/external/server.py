"""An external lane as a row of a report."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from streamlanes.benchmarks.external.description import ExternalLane, filled
from streamlanes.benchmarks.external.publisher import dump
from streamlanes.benchmarks.machine.processes import Child, Placement, ProcessError, child
from streamlanes.benchmarks.spec.records import StartedStream
from streamlanes.benchmarks.spec.role import Role
from streamlanes.benchmarks.spec.workload import Workload
from streamlanes.benchmarks.trial.server import READY_SECONDS, Server, ready, start

ASK_SECONDS: Final = 0.02
"""Seconds between two requests to a server that isn't ready yet."""


@dataclass(frozen=True, slots=True)
class External:
    """Another server, and the publisher that feeds it."""

    external: ExternalLane

    @property
    def name(self) -> str:
        return self.external.name

    @property
    def lane(self) -> str:
        return self.external.name

    @property
    def reader(self) -> str:
        return self.external.engine_wire

    @property
    def role(self) -> Role:
        return Role.EXTERNAL

    @contextmanager
    def serving(self, workload: Workload, folder: Path, where: Placement) -> Iterator[Server]:
        """Run the server, if it isn't running already, and the publisher, which takes the server's part in `start`.

        The process that is measured is the one that the lane's command starts.
        """
        if workload.stream is None:
            raise ProcessError(f"{self.name}: another server takes part only where all read one stream")
        journal = folder / "journal"
        journal.mkdir()
        values = {"port": str(_free_port()), "folder": str(folder.resolve())}
        for name in self.external.files:
            text = (self.external.folder / name).read_text(encoding="utf-8")
            (folder / name).write_text(filled(text, values), encoding="utf-8")
        with ExitStack() as stack:
            server: Child | None = None
            if self.external.command:
                command = [filled(word, values) for word in self.external.command]
                server = stack.enter_context(child("server", command, folder=folder, cpu=where.server))
            if self.external.ready is not None:
                _wait(filled(self.external.ready, values), server)
            command = [
                sys.executable,
                "-P",
                "-m",
                "streamlanes.benchmarks.external.publisher",
                "--journal",
                str(journal),
            ]
            publisher = stack.enter_context(child("publisher", command, folder=folder, cpu=where.engine))
            publisher.send(dump(self.external, values))
            pid = None if server is None else server.process.pid
            yield Server(ready(publisher), pid, publisher.process.pid)
            for running in filter(None, (server, publisher)):
                if running.process.poll() is not None:
                    raise running.error(f"ended with code {running.process.returncode} in the trial")

    def start(self, server: Server, workload: Workload) -> StartedStream:
        return start(server.url, self.lane, workload)


def _free_port() -> int:
    """Return a port that nobody has at the moment: other servers don't say which one they took."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait(url: str, server: Child | None) -> None:
    """Return when *url* answers with success. Raises ProcessError if it doesn't in READY_SECONDS, or *server* ends."""
    until = time.monotonic() + READY_SECONDS
    while True:
        try:
            if httpx.get(url, timeout=READY_SECONDS).is_success:
                return
            fault = "doesn't answer with success"
        except httpx.HTTPError as error:
            fault = f"doesn't answer: {error}"
        if server is not None and server.process.poll() is not None:
            raise server.error("didn't start")
        if time.monotonic() > until:
            raise ProcessError(f"{url} {fault}")
        time.sleep(ASK_SECONDS)
