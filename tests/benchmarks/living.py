"""What is left of a program and of all that it started."""

from __future__ import annotations

import os
import select
import uuid
from pathlib import Path
from typing import Final

_MARK: Final = "STREAMLANES_TEST"
WAIT_SECONDS: Final = 10.0


def marked() -> dict[str, str]:
    """Return an environment by which a program's processes can be told from others."""
    return {**os.environ, _MARK: uuid.uuid4().hex}


def left_of(environment: dict[str, str]) -> list[str]:
    """Return the command lines of what runs in *environment* and doesn't end within `WAIT_SECONDS`."""
    wanted = f"{_MARK}={environment[_MARK]}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append((int(folder.name), (folder / "cmdline").read_bytes()))
        except OSError:  # it has ended meanwhile, or is another user's
            continue
    return [command.replace(b"\0", b" ").decode(errors="replace") for pid, command in found if not is_gone(pid)]


def is_gone(pid: int, timeout: float = WAIT_SECONDS) -> bool:
    """Wait for a process that need not be a child of this one."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], timeout)[0])
    finally:
        os.close(handle)
