"""`python -m streamlanes.demos.drawing FD KEYS`: draws screens and reads keys, in a process of its own.

Drawing one takes some ten milliseconds, for which the loop that carries and reads the streams would stand still: each
latency would be one of the drawing, too. The other end of FD is a `Drawing`. When that is closed, however that
happens, the terminal is as it was before.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live

from streamlanes.demos.screen import DemoScreen

STDIN: Final = 0
END_SECONDS: Final = 2.0
"""Seconds that the process may take to tidy up the terminal."""

# An arrow and the like are several bytes, some of which could be a key of ours (ECMA-48 5.4, SS3, Alt).
_SEQUENCE = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]?|O.?|.?)", re.DOTALL)


class Drawing:
    """The process, as seen from the one that starts it; a context manager. The terminal is free after it."""

    def __init__(self, *, keyboard: bool) -> None:
        """Prepare to draw on standard output and, with *keyboard*, to read keys from standard input."""
        self.keys: asyncio.Queue[str] = asyncio.Queue(64)
        """What was pressed; `q` also when the process has ended by itself. Further keys are dropped."""
        self._keyboard = keyboard
        self._idle = False
        self._loop = asyncio.get_running_loop()

    def offer(self, screen: DemoScreen) -> None:
        """Draw *screen*, unless the one before is still being drawn: a slow terminal sees fewer of them."""
        if self._idle:
            self._idle = False
            with suppress(OSError):  # it has ended, which `_hear` will tell
                self._connection.send(screen)

    def __enter__(self) -> Self:
        ours, theirs = socket.socketpair()
        with theirs:
            # -P: a folder named like one of the packages, where the user is, must not take its place.
            command = [
                sys.executable,
                "-P",
                "-m",
                "streamlanes.demos.drawing",
                str(theirs.fileno()),
                str(int(self._keyboard)),
            ]
            # The command is this project's own. It isn't tied to this process (`launch`), but goes when FD is closed.
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()])  # noqa: S603
        self._connection = Connection(ours.detach())
        self._loop.add_reader(self._connection.fileno(), self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.remove_reader(self._connection.fileno())
        self._connection.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _hear(self) -> None:
        try:
            told: str = self._connection.recv()
        except (EOFError, OSError):
            self._loop.remove_reader(self._connection.fileno())
            told = "q"
        if not told:
            self._idle = True
        else:
            with suppress(asyncio.QueueFull):
                self.keys.put_nowait(told)


def draw(connection: Connection, *, keyboard: bool) -> None:
    """Draw what comes, answering each with an empty text, and tell of keys, until the other end is closed."""
    with (
        unbuffered(keyboard=keyboard),
        Live(console=Console(), screen=True, auto_refresh=False) as live,
        suppress(EOFError, ConnectionError),
    ):
        connection.send("")
        sources: list[Connection | int] = [connection, STDIN] if keyboard else [connection]
        while True:
            for ready in wait(sources):
                if ready is connection:
                    live.update(connection.recv(), refresh=True)
                    connection.send("")
                    continue
                typed = os.read(STDIN, 64)
                if not typed:
                    sources = [connection]
                for key in _SEQUENCE.sub(b"", typed).decode(errors="ignore"):
                    connection.send(key)


@contextmanager
def unbuffered(*, keyboard: bool) -> Iterator[None]:
    """Get keys as they are pressed, and don't show them, until the block ends."""
    if not keyboard:
        yield
        return
    before = termios.tcgetattr(STDIN)
    tty.setcbreak(STDIN)
    try:
        yield
    finally:
        termios.tcsetattr(STDIN, termios.TCSADRAIN, before)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process at the other end
    draw(Connection(int(sys.argv[1])), keyboard=bool(int(sys.argv[2])))
