"""A temporary folder that doesn't outlive its program by much, even if that is killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PREFIX: Final = "streamlanes-demo-"
LOCK: Final = "lock"
"""A file in it that is locked for as long as its program runs: the kernel lets go of it, however that ends."""


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder, and remove it at the end of the block; also those that killed programs have left behind."""
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with (folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Remove this user's folders whose program has ended."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with (folder / LOCK).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # its program runs, or has made the folder this moment, or somebody else has removed it
            continue
