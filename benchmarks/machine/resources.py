"""What a machine has too little of for a run: faults of the harness, which are told apart from a lane's."""

from __future__ import annotations

import errno
import shutil
import sys
from pathlib import Path
from typing import Final

BESIDES: Final = 64
"""Files that a process has open besides its connections."""
LEAST_DISK: Final = 1024 * 1024
"""Bytes; a disk with less left is full."""
_LACKING: Final = {
    errno.EMFILE: "too few open files for a process: raise the limit (ulimit -Hn), or take fewer readers",
    errno.ENFILE: "too few open files for the machine: raise fs.file-max, or take fewer readers",
    errno.EADDRNOTAVAIL: "no port is left to connect from: widen net.ipv4.ip_local_port_range, or take fewer readers",
    errno.ENOBUFS: "no memory is left for sockets: take fewer readers",
    errno.ENOMEM: "no memory is left: take fewer readers",
    errno.ENOSPC: "the disk is full: make room, or name another folder",
    errno.EDQUOT: "the disk's quota is used up: make room, or name another folder",
    errno.EFBIG: "a file may not be as long as it has to be (ulimit -f)",
}


class HarnessError(Exception):
    """The run can't go on, for a reason that isn't any lane's; the message says what would help."""


def lacking(error: BaseException | None) -> str | None:
    """Return what the machine lacks if that is why *error* was raised, or one that led to it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _LACKING:
            return _LACKING[error.errno]
        error = error.__cause__ or error.__context__
    return None


def check_connections(count: int) -> None:
    """Raise HarnessError if a process can't have so many connections, whatever its soft limit."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 (not there on Windows)

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        if most != resource.RLIM_INFINITY and count + BESIDES > most:
            raise HarnessError(
                f"{count:,} readers take {count + BESIDES:,} open files, and a process may have {most:,} here: "
                "raise the limit (ulimit -Hn), or take fewer readers"
            )


def check_disk(folder: Path) -> None:
    """Raise HarnessError if nothing more can be written into *folder*."""
    if shutil.disk_usage(folder).free < LEAST_DISK:
        raise HarnessError(f"{folder}: {_LACKING[errno.ENOSPC]}")
