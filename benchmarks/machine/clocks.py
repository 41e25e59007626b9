"""The instruments: clocks of processes and CPUs. Linux; elsewhere a figure is absent, and the report says so."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final, NamedTuple

UNKNOWN: Final = "unknown"


class ProcessTime(NamedTuple):
    """Of a process, since its start; None where it can't be read."""

    cpu_ns: int | None
    waited_ns: int | None
    """Nanoseconds in which it could have run, and another process had the CPU."""
    preempted: int | None = None
    """Times that its main thread was made to give up its CPU: involuntary context switches."""


def process_time(pid: int) -> ProcessTime:
    """Return what process *pid* has used of CPUs, and waited for one, so far.

    The wait is that of its main thread, which runs the event loop: the second number of /proc/PID/schedstat
    (Documentation/scheduler/sched-stats.rst of the kernel), in nanoseconds. The switches are those of /proc/PID/status
    (proc_pid_status(5)).
    """
    try:
        waited_ns = int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1])
        preempted = _numbers(Path(f"/proc/{pid}/status"))["nonvoluntary_ctxt_switches"]
    except (OSError, ValueError, IndexError, KeyError):
        return ProcessTime(process_cpu_ns(pid), None)
    return ProcessTime(process_cpu_ns(pid), waited_ns, preempted)


def process_cpu_ns(pid: int) -> int | None:
    """Return the CPU time that all threads of process *pid* have used so far; None where it can't be read.

    Its CPU clock, read from outside: clockid = (~pid << 3) | 2, CPUCLOCK_SCHED (clock_getcpuclockid(3); the kernel's
    include/linux/posix-timers_types.h). It counts nanoseconds; /proc/PID/stat would count ticks of 10 ms.
    """
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except (OSError, OverflowError):
        return None


class CPUTime(NamedTuple):
    """Ticks of all CPUs since boot."""

    total: int
    steal: int
    """Time that the hypervisor gave to others."""

    def steal_since(self, earlier: CPUTime) -> float:
        """Return the share of the time since *earlier* that was stolen."""
        return (self.steal - earlier.steal) / max(self.total - earlier.total, 1)


def cpu_time() -> CPUTime | None:
    """Return the machine's CPU time (proc_stat(5)); None where it can't be read."""
    try:
        first, *_ = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    ticks = [int(field) for field in first.split()[1:9]]  # guest times, which follow, are part of user's and nice's
    return CPUTime(sum(ticks), ticks[7])


class TCPCount(NamedTuple):
    """What has gone wrong with TCP in this network namespace, of all processes, since it was made."""

    overflows: int
    """Connections that a listener's queue had no room for."""
    drops: int
    """Connections that a listener dropped, for that reason or another."""
    retransmitted: int
    """Segments that were sent again."""

    def since(self, earlier: TCPCount) -> TCPCount:
        """Return what has gone wrong since *earlier*."""
        return TCPCount(*(now - before for now, before in zip(self, earlier, strict=True)))


def tcp_count() -> TCPCount | None:
    """Return the kernel's counters; None where they can't be read.

    /proc/net/netstat and /proc/net/snmp (Documentation/networking/snmp_counter.rst of the kernel).
    """
    try:
        more, basic = _counters(Path("/proc/net/netstat"), "TcpExt"), _counters(Path("/proc/net/snmp"), "Tcp")
        return TCPCount(more["ListenOverflows"], more["ListenDrops"], basic["RetransSegs"])
    except (OSError, KeyError, ValueError):
        return None


def _counters(path: Path, group: str) -> dict[str, int]:
    """Return the numbers of a file that has a line of names and a line of values for each group. Raises ValueError."""
    lines = [line.split()[1:] for line in path.read_text(encoding="ascii").splitlines() if line.startswith(f"{group}:")]
    names, values = lines
    return {name: int(value) for name, value in zip(names, values, strict=True)}


class IdleCost(NamedTuple):
    """What a process and its connections hold, and how often it has woken."""

    uss: int
    """Unique set size, bytes: the memory that would be free if the process ended."""
    slab: int
    """Bytes of the kernel's, for sockets and files of all processes."""
    wakeups: int
    """Times that its main thread has given up its CPU by itself, and so been woken again."""


def idle_cost(pid: int) -> IdleCost | None:
    """Return what process *pid* holds at present; None where it can't be read.

    /proc/PID/smaps_rollup and /proc/meminfo (Documentation/filesystems/proc.rst of the kernel).
    """
    try:
        maps = _numbers(Path(f"/proc/{pid}/smaps_rollup"))
        memory = _numbers(Path("/proc/meminfo"))
        status = _numbers(Path(f"/proc/{pid}/status"))
        uss = maps["Private_Clean"] + maps["Private_Dirty"]
        return IdleCost(uss * 1024, memory["Slab"] * 1024, status["voluntary_ctxt_switches"])
    except (OSError, KeyError, ValueError):
        return None


def _numbers(path: Path) -> dict[str, int]:
    """Return the numbers of a file of lines like `Name:   12 kB`, or without a unit."""
    fields = (line.partition(":") for line in path.read_text(encoding="ascii", errors="replace").splitlines())
    words = ((name, value.split()) for name, _, value in fields)
    return {name: int(value[0]) for name, value in words if value and value[0].isdigit()}


def boot_id() -> str:
    """Return the name of the machine's present boot: CLOCK_MONOTONIC means something only within it."""
    return _read("/proc/sys/kernel/random/boot_id")


def time_namespace(pid: int | None = None) -> str:
    """Return the time namespace of a process, by default this one; CLOCK_MONOTONIC can differ between them."""
    try:
        return os.readlink(f"/proc/{pid or 'self'}/ns/time")
    except OSError:
        return UNKNOWN


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return UNKNOWN
