"""Run by path, before anything else, in each child process: it ties the child to its parent, lifts its limit on open
files, then becomes the program.

    python -I -S launch.py PARENT_PID CPU PROGRAM [ARGUMENT…]

The kernel kills the program when its parent goes away, however that happens (prctl(2), PR_SET_PDEATHSIG, which an
exec keeps). Elsewhere than on Linux a parent that is itself killed leaves its children behind. CPU is a number, or -
for any. Needs the standard library, and finds the one thing of this project by its own place.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> bool:
    """Have the kernel kill this process when process *parent*, its parent, ends; False if it has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent


def main() -> None:
    """Become the program; returns only if the parent is gone already."""
    parent, cpu, *command = sys.argv[1:]
    if not die_with(int(parent)):
        return
    if sys.platform == "linux" and cpu != "-":
        os.sched_setaffinity(0, {int(cpu)})
    sys.path.append(str(Path(__file__).parents[3]))
    from streamlanes.producers.open_files import allow_open_files  # noqa: PLC0415 (not on the path before)

    allow_open_files()
    os.execvp(command[0], command)  # noqa: S606 (becoming the program without a shell is what this is for)


if __name__ == "__main__":
    main()
