"""What the command comes to where it can't write: standard output that nobody takes, a disk that is full."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Final

MACHINE: Final = 3
"""Exit code: this machine can't do it, since the disk is full or there are too few open files."""


def discard_output() -> None:
    """Let all that is still written to standard output go nowhere, also at the interpreter's end."""
    with suppress(ValueError):  # closed already
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
