"""A program in a pseudo-terminal, as a person would have it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Self

WAIT_SECONDS: Final = 30.0
WINDOW: Final = 30_000
"""Characters of output that are looked at: several screens, and more than one read brings."""
ALTERNATE_ON: Final = "\x1b[?1049h"
ALTERNATE_OFF: Final = "\x1b[?1049l"
CURSOR_ON: Final = "\x1b[?25h"

_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """Runs *command* at a terminal of this size; the program is killed at the end of the block."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], *, columns: int, lines: int) -> None:
        self._ours, self._theirs = pty.openpty()
        termios.tcsetwinsize(self._theirs, (lines, columns))
        self.before = termios.tcgetattr(self._theirs)
        self._output = ""
        # COLUMNS and LINES, where tests run in several processes, are those of no terminal.
        env = {name: value for name, value in env.items() if name not in {"COLUMNS", "LINES"}}
        env["TERM"] = "xterm-256color"
        self.process = subprocess.Popen(
            command, env=env, stdin=self._theirs, stdout=self._theirs, stderr=self._theirs, start_new_session=True
        )

    @property
    def modes(self) -> object:
        """How the terminal treats what is typed, as of now."""
        return termios.tcgetattr(self._theirs)

    @property
    def raw(self) -> str:
        """All that was written so far, with its control sequences."""
        return self._output

    def press(self, key: str) -> None:
        """Type."""
        os.write(self._ours, key.encode())

    def until(self, *texts: str) -> None:
        """Wait until *texts* have been written, at most a few screens apart, since this was called."""
        begin = len(self._output)
        deadline = time.monotonic() + WAIT_SECONDS
        while not all(text in squeezed(self._output[begin:][-WINDOW:]) for text in texts):
            assert time.monotonic() < deadline, squeezed(self._output[begin:][-WINDOW:])[-3000:]
            self._read()

    def until_gone(self) -> int:
        """Wait for the program's end, and return its status."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < deadline
            self._read()
        while self._read():
            pass
        return self.process.wait()

    def until_restored(self) -> None:
        """Wait until the terminal is as it was before."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self.modes != self.before or not self._output.endswith((CURSOR_ON, ALTERNATE_OFF)):
            assert time.monotonic() < deadline, self._output[-200:]
            self._read()

    def _read(self) -> bool:
        if not select.select([self._ours], [], [], 0.05)[0]:
            return False
        self._output += os.read(self._ours, 16_384).decode(errors="replace")
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


def squeezed(output: str) -> str:
    """Return what is written without control sequences, borders and the white space between words."""
    return " ".join(re.sub("[│╭╮╰╯─]", " ", _SEQUENCE.sub("", output)).split())
