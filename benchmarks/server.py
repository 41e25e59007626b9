"""The server under test: a fresh process for every trial."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.plan import PREFILLED, Session
from benchmarks.processes import child

READY_SECONDS: Final = 20.0
READY: Final = "listening on "


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ready."""

    url: str
    pid: int


@contextmanager
def serving(folder: Path, *, cpu: int | None = None, prefilled: Session | None = None) -> Iterator[Server]:
    """Run `streamlanes serve` on a free port until the block ends, its journal in *folder*`/journal`.

    With *prefilled*, it has that shared stream and keeps all of it. Raises ProcessError if it doesn't get ready.
    """
    journal = folder / "journal"
    journal.mkdir()
    # -P: a folder named like one of the packages, where the user is, must not take its place.
    command = [sys.executable, "-P", "-m", "streamlanes", "serve", "--port", "0", "--journal", str(journal)]
    if prefilled is not None:
        command += ["--stream", f"{PREFILLED}={prefilled.producer},{_pairs(prefilled.params)}"]
        count, size = int(prefilled.params["count"]), int(prefilled.params["size"])
        command += ["--retain-events", str(count), "--retain-bytes", str(count * size)]
    with child("server", command, folder=folder, cpu=cpu) as process:
        for line in process.lines(READY_SECONDS):
            if line.startswith(READY):
                yield Server(line.removeprefix(READY).strip(), process.process.pid)
                return
        raise process.error("didn't start")


def _pairs(params: Mapping[str, str | int | float]) -> str:
    return ",".join(f"{key}={value}" for key, value in params.items())
