"""The limit on open files, which is one on connections."""

from __future__ import annotations

import sys
from contextlib import suppress


def allow_open_files() -> None:
    """Let this process, and what it starts, have as many files and connections open as the system allows it.

    Shells and service managers often set the soft limit to 1,024, for programs that use select(2); the hard limit is
    the administrator's.
    """
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 (not there on Windows)

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(ValueError, OSError):  # macOS says "no limit" and has one
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
