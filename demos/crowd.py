"""The process of further readers (`demos.readers`), as seen from the demo's."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from streamlanes.benchmarks.machine.processes import Child, ProcessError, child
from streamlanes.demos.readers import COUNTS, ORDERS, CrowdOrders, LaneCounts, LaneLink

MAX_READERS: Final = 1_000
READY_SECONDS: Final = 20.0


class CrowdProcess:
    """So many readers, or none; a context manager, after which they are gone. They also go with this process."""

    def __init__(self, folder: Path) -> None:
        """Prepare a crowd whose log is in *folder*."""
        self.counts = LaneCounts()
        """As it was told last."""
        self._folder = folder
        self._stack = ExitStack()
        self._changing = asyncio.Lock()

    async def gather(self, links: Sequence[LaneLink], count: int) -> None:
        """Have *count* readers of *links* in place of those that there are; return once they are on their way.

        Raises ProcessError if they don't get so far.
        """
        async with self._changing:
            self.dismiss()
            if not count:
                return
            # Here and not in a thread: see `ServerProcess.start`.
            process = self._stack.enter_context(child("readers", _COMMAND, folder=self._folder))
            process.send(ORDERS.dump_json(CrowdOrders(links=links, count=count)))
            told = self._stack.enter_context(_Told(self, process))
            try:
                async with asyncio.timeout(READY_SECONDS):
                    await told.first.wait()
            except TimeoutError:
                self.dismiss()
                raise process.error(f"took longer than {READY_SECONDS:.0f} s") from None
            if not told.any:
                self.dismiss()
                raise process.error("didn't start")

    def dismiss(self) -> None:
        """End them."""
        self._stack.close()
        self.counts = LaneCounts()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dismiss()


class _Told:
    """Keeps the crowd's counts up to date from what its process prints, until the block ends."""

    def __init__(self, crowd: CrowdProcess, process: Child) -> None:
        self.first = asyncio.Event()
        """A line has come, or none will."""
        self.any = False
        self._crowd = crowd
        stdout = process.process.stdout
        if stdout is None:
            raise ProcessError("the readers were started without a pipe")
        self._descriptor = stdout.fileno()
        self._rest = b""
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> Self:
        self._loop.add_reader(self._descriptor, self._read)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.remove_reader(self._descriptor)

    def _read(self) -> None:
        chunk = os.read(self._descriptor, 65_536)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if lines:
            self._crowd.counts = COUNTS.validate_json(lines[-1])
            self.any = True
            self.first.set()
        if not chunk:
            self._loop.remove_reader(self._descriptor)
            last = self._crowd.counts  # the process is gone; killed, it couldn't say that its readers are
            self._crowd.counts = replace(last, count=0, faults=last.faults + last.count)
            self.first.set()


# -P: a folder named like one of the packages, where the user is, must not take its place.
_COMMAND: Final = (sys.executable, "-P", "-m", "streamlanes.demos.readers")
