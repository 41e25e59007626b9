"""Run by path, before anything else, in each child process: it ties the child to its parent, lifts its limit on open
files, then becomes the program.

    python -I -S launch.py PARENT_PID CPU PROGRAM [ARGUMENT…]

The kernel kills the program when its parent goes away, however that happens (prctl(2), PR_SET_PDEATHSIG, which an
exec keeps). Elsewhere than on Linux a parent that is itself killed leaves its children behind. CPU is a number, or -
for any. Needs the standard library only.
"""

import ctypes
import os
import signal
import sys
from contextlib import suppress

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> bool:
    """Have the kernel kill this process when process *parent*, its parent, ends; False if it has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent


def allow_open_files() -> None:
    """Let this process, and what it starts, have as many files and connections open as the system allows it."""
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 (not there on Windows)

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(ValueError, OSError):  # macOS says "no limit" and has one
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> None:
    """Become the program; returns only if the parent is gone already."""
    parent, cpu, *command = sys.argv[1:]
    if not die_with(int(parent)):
        return
    if sys.platform == "linux" and cpu != "-":
        os.sched_setaffinity(0, {int(cpu)})
    allow_open_files()
    os.execvp(command[0], command)  # noqa: S606 (becoming the program without a shell is what this is for)


if __name__ == "__main__":
    main()
