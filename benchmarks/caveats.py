"""Doubts are part of the result: what a run could not keep, each with its number. Enumerated here, all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BUSY: Final = 0.9
STEAL: Final = 0.01
CPU_WINDOW: Final = 0.5
ROUNDS_FOR_A_VERDICT: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Caveat:
    """A doubt. `size` orders those of one name: a report shows the worst."""

    name: str
    detail: str
    size: float = 0.0


def engine_busy(cpu_ns: int, window_ns: int, *, loaded: bool) -> list[Caveat]:
    """The engine may have been the bottleneck."""
    share = cpu_ns / window_ns
    what = "latencies may be its own" if loaded else "the lane may be faster than its events/s"
    return _if(share > BUSY, Caveat(name=f"load engine at its limit: {what}", detail=_percent(share), size=share))


def server_busy(cpu_ns: int | None, window_ns: int) -> list[Caveat]:
    """Under an open loop a server without reserve shows its backlog, not its latency."""
    share = (cpu_ns or 0) / window_ns
    name = "server at its limit: latencies are of a backlog"
    return _if(share > BUSY, Caveat(name=name, detail=_percent(share), size=share))


def harness_lag(lag_p99_ns: int | None, latency_p50_ns: int | None) -> list[Caveat]:
    """The pump woke late for its events, by as much as the whole latency."""
    if lag_p99_ns is None or latency_p50_ns is None:
        return []
    detail = f"p99 {lag_p99_ns / 1e6:.2f} ms against a p50 latency of {latency_p50_ns / 1e6:.2f} ms"
    caveat = Caveat(name="harness lag", detail=detail, size=lag_p99_ns / max(latency_p50_ns, 1))
    return _if(lag_p99_ns > latency_p50_ns, caveat)


def start_lag(max_ns: int, latency_p50_ns: int | None) -> list[Caveat]:
    """The engine started sessions later than the schedule had them; the load was not quite the one planned."""
    caveat = Caveat(name="sessions started late", detail=f"by up to {max_ns / 1e6:.1f} ms", size=max_ns)
    return _if(max_ns > 10_000_000 and max_ns > (latency_p50_ns or 0), caveat)


def steal(share: float | None) -> list[Caveat]:
    """The hypervisor gave this machine's time to others."""
    detail = "unknown" if share is None else f"{share:.1%}"
    return _if((share or 0) > STEAL, Caveat(name="CPU time stolen by the hypervisor", detail=detail, size=share or 0))


def cpu(server_cpu_ns: int | None, window_ns: int) -> list[Caveat]:
    """CPU figures need a clock, and some time."""
    window = Caveat(name=f"CPU window under {CPU_WINDOW} s", detail=f"{window_ns / 1e9:.2f} s", size=-window_ns)
    clock = Caveat(name="the server's CPU clock can't be read here", detail="no CPU figures")
    return _if(window_ns < CPU_WINDOW * 1e9, window) + _if(server_cpu_ns is None, clock)


def preliminary(rounds: int) -> list[Caveat]:
    """Differences between lanes may be chance."""
    detail = f"{rounds} {'round' if rounds == 1 else 'rounds'}; {ROUNDS_FOR_A_VERDICT} are needed"
    return _if(rounds < ROUNDS_FOR_A_VERDICT, Caveat(name="preliminary, no verdict", detail=detail))


def placement(cpus: int, server_cpu: int | None, engine_cpu: int | None) -> list[Caveat]:
    """Server and engine should each have a CPU that nothing else uses."""
    if server_cpu is None or server_cpu == engine_cpu:
        return [Caveat(name="server and engine are not kept apart", detail=f"{cpus} CPU, or no affinity here")]
    detail = f"server on CPU {server_cpu}, engine on CPU {engine_cpu}; the system's other work shares them"
    return _if(cpus < 3, Caveat(name=f"{cpus} CPUs", detail=detail))


def congestion_control(name: str) -> list[Caveat]:
    """METHOD's is cubic; bbr paces what it sends, on loopback too."""
    return _if(name != "cubic", Caveat(name="TCP congestion control", detail=f"{name}, where METHOD has cubic"))


def pacing() -> list[Caveat]:
    """METHOD wants a pacer of its own process."""
    detail = "on its own timer (1 ms steps), so producing is part of the server's load and the lag part of the latency"
    return [Caveat(name="the server paces its producers itself", detail=detail)]


def trace(skipped: int, out_of_order: int) -> list[Caveat]:
    """What of a trace was not replayed as it stands."""
    no_tokens = Caveat(name="requests without a token in the trace", detail=f"{skipped} skipped")
    unsorted = Caveat(name="the trace wasn't in the order of its times", detail=f"{out_of_order} lines, sorted")
    return _if(skipped > 0, no_tokens) + _if(out_of_order > 0, unsorted)


def interrupted(finished: int, planned: int) -> list[Caveat]:
    """Not everything was run."""
    return _if(finished < planned, Caveat(name="incomplete run", detail=f"{finished} of {planned} trials"))


def _if(condition: bool, caveat: Caveat) -> list[Caveat]:
    return [caveat] if condition else []


def _percent(share: float) -> str:
    return f"{share:.0%} of a CPU"
