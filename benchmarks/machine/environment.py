"""Where a run was made: everything that somebody would need to repeat it, or to disbelieve it."""

from __future__ import annotations

import platform
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from streamlanes.benchmarks.machine import clocks
from streamlanes.benchmarks.machine.processes import Placement

PACKAGES: Final = (
    "streamlanes", "aiohttp", "anyio", "click", "fastapi", "h11", "hdrhistogram", "httptools", "httpx", "httpx-sse",
    "httpx2", "pydantic", "rich", "sse-starlette", "starlette", "uvicorn", "uvloop", "websockets", "yarl",
)  # fmt: skip
SYSCTLS: Final = (
    "net.ipv4.tcp_congestion_control", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "net.ipv4.tcp_autocorking",
    "net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat", "net.core.somaxconn", "net.core.rmem_max",
    "net.core.wmem_max",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Taken once, before the first trial."""

    machine: str
    cpu: str
    cpus: int
    governor: str
    clock_source: str
    kernel: str
    sysctls: Mapping[str, str]
    open_files: int
    """Hard limit, up to which the server and the engine raise their own."""
    python: str
    packages: Mapping[str, str]
    event_loop: str
    http: str
    websocket: str
    connections: str
    server_cpu: int | None
    engine_cpu: int | None
    boot_id: str
    time_namespace: str


def environment(placement: Placement) -> Environment:
    """Return the present environment; what the system doesn't tell is `unknown`."""
    cpu0 = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return Environment(
        machine=platform.machine(),
        cpu=_cpu_model(),
        cpus=placement.cpus,
        governor=_read(cpu0),
        clock_source=_read(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        kernel=f"{platform.system()} {platform.release()}",
        sysctls={name: _read(Path("/proc/sys") / name.replace(".", "/")) for name in SYSCTLS},
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        python=f"{platform.python_implementation()} {sys.version.split()[0]}",
        packages={name: _version(name) for name in PACKAGES},
        event_loop=_first("uvloop", "asyncio"),
        http=f"uvicorn, {_first('httptools', 'h11')}; client aiohttp",
        websocket="uvicorn, websockets; client aiohttp; compression off",
        connections="loopback, TCP_NODELAY on, keep-alive on, no TLS, no proxy, no compression",
        server_cpu=placement.server,
        engine_cpu=placement.engine,
        boot_id=clocks.boot_id(),
        time_namespace=clocks.time_namespace(),
    )


def _first(*modules: str) -> str:
    """Return the first of *modules* that is installed: uvicorn's own choice."""
    return next(module for module in modules if find_spec(module) is not None)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cpu_model() -> str:
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or clocks.UNKNOWN


def _read(path: Path) -> str:
    """Return the file's text, tabs as spaces."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip().replace("\t", " ")
    except OSError:
        return clocks.UNKNOWN
