"""Doubts are part of the result: what a run could not keep, each with its number. Enumerated here, all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from streamlanes.benchmarks.machine.clocks import UNKNOWN, TCPCount
from streamlanes.benchmarks.machine.usage import BUSY, SHORT_NS, Usage, limit

STEAL: Final = 0.01
WAITED: Final = 0.1
CEILING: Final = 2.0
OWN_LAG: Final = 0.2
"""Share of the latency."""
ROUNDS_FOR_A_VERDICT: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Caveat:
    """A doubt. `size` orders those of one name: a report shows the worst."""

    name: str
    detail: str
    size: float = 0.0


def overloaded(server: Usage) -> list[Caveat]:
    """Under an open loop a server without reserve shows its backlog, not its latency."""
    share = server.busiest or 0
    name = "overloaded, so without latency"
    return _if(share > BUSY, Caveat(name=name, detail=f"server busy {share:.0%} of its busiest second", size=share))


def engine_busy(engine: Usage) -> list[Caveat]:
    """The engine may have been the bottleneck of an open loop."""
    share = engine.busiest or 0
    name = "load engine at its limit: latencies may be its own"
    return _if(share > BUSY, Caveat(name=name, detail=f"{share:.0%} of its busiest second", size=share))


def engine_limits(server: Usage, engine: Usage, window_ns: int) -> list[Caveat]:
    """A saturated trial was as fast as the engine, not as the lane, or may have been."""
    server_ns, engine_ns = server.busy_ns(), engine.busy_ns()
    if server_ns is None or engine_ns is None:
        return []
    shares = server_ns / window_ns, engine_ns / window_ns
    detail = f"engine busy {shares[1]:.0%}, server {shares[0]:.0%}"
    name = "limited by the load engine: events/s is a lower bound of the lane's, compare server µs/event"
    return _if(limit(*shares) in {"engine", "both"}, Caveat(name=name, detail=detail, size=shares[1]))


def ceiling(rate: float, of_engine: float) -> list[Caveat]:
    """The engine's ceiling against a null server is to be twice the lane's rate."""
    multiple = of_engine / rate
    detail = f"x{multiple:.1f} of the lane's rate ({of_engine:,.0f} events/s from a null server)"
    name = f"the load engine's ceiling is under {CEILING:g} times the lane's rate: a lower bound"
    return _if(multiple < CEILING, Caveat(name=name, detail=detail, size=-multiple))


def disturbed(server: Usage, engine: Usage, window_ns: int) -> list[Caveat]:
    """Other processes had the CPUs of this trial's for some of the time."""
    if not window_ns:
        return []  # nobody has received anything
    waited = {"server": server.waited_ns, "engine": engine.waited_ns}
    shares = {name: value / window_ns for name, value in waited.items() if value is not None}
    worst = max(shares.values(), default=0)
    switches = {"server": server.preempted, "engine": engine.preempted}
    counts = [f"{name} {count:,}" for name, count in switches.items() if count is not None]
    detail = ", ".join(f"{name} {share:.0%}" for name, share in shares.items()) + " of the time"
    detail += f" ({', '.join(counts)} involuntary switches)" if counts else ""
    return _if(worst > WAITED, Caveat(name="waited for a CPU that other processes had", detail=detail, size=worst))


def harness_lag(lag_p99: float | None, latency_p50: float | None) -> list[Caveat]:
    """The pacer woke late for the events, by as much as the whole latency (ms)."""
    return _late("harness lag", lag_p99, latency_p50, "latency")


def send_lag(lag_p99: float | None, rtt_p50: float | None) -> list[Caveat]:
    """The engine sent messages late by itself, by as much as a whole round trip (ms)."""
    return _late("messages sent late by the engine", lag_p99, rtt_p50, "round trip")


def _late(name: str, lag_p99: float | None, p50: float | None, what: str) -> list[Caveat]:
    if lag_p99 is None or p50 is None:
        return []
    detail = f"p99 {lag_p99:.2f} ms against a p50 {what} of {p50:.2f} ms"
    return _if(lag_p99 > p50, Caveat(name=name, detail=detail, size=lag_p99 / max(p50, 1e-6)))


def start_lag(max_ns: int, latency_p50: float | None) -> list[Caveat]:
    """The engine started sessions later than the schedule had them; the load was not quite the one planned."""
    caveat = Caveat(name="sessions started late", detail=f"by up to {max_ns / 1e6:.1f} ms", size=max_ns)
    return _if(max_ns > 10_000_000 and max_ns / 1e6 > (latency_p50 or 0), caveat)


def no_one_way_times(*, journaled: bool) -> list[Caveat]:
    """Times of two clocks can't be subtracted, nor can what wasn't recorded."""
    why = "server and load engine have different clocks" if journaled else "the target keeps no journal for us"
    name = "no one-way times, so no latency and goodput, nor whether the lane fell behind"
    return [Caveat(name=name, detail=why)]


def backlog(grew: bool) -> list[Caveat]:
    """Events came later and later."""
    return _if(grew, Caveat(name="overloaded, so without latency", detail="its backlog grew", size=2))


def steal(share: float | None) -> list[Caveat]:
    """The hypervisor gave this machine's time to others."""
    detail = "unknown" if share is None else f"{share:.1%}"
    return _if((share or 0) > STEAL, Caveat(name="CPU time stolen by the hypervisor", detail=detail, size=share or 0))


def tcp(count: TCPCount | None) -> list[Caveat]:
    """Connections and segments were lost, on loopback for want of room; the counters are the whole machine's."""
    if count is None:
        return []
    dropped = f"{count.drops:,}, {count.overflows:,} of them since its queue was full"
    resent = Caveat(name="TCP segments sent again", detail=f"{count.retransmitted:,}", size=count.retransmitted)
    return _if(
        count.drops > 0, Caveat(name="connections that a listener dropped", detail=dropped, size=count.drops)
    ) + _if(count.retransmitted > 0, resent)


def engine_lag(lag_p50: float | None, latency_p50: float | None) -> list[Caveat]:
    """The engine was late by itself in noting what the kernel had received, by a good part of the latency (ms)."""
    if lag_p50 is None or not latency_p50:
        return []
    share = lag_p50 / latency_p50
    detail = f"p50 {lag_p50:.2f} ms of a latency of {latency_p50:.2f} ms, {share:.0%}"
    return _if(share > OWN_LAG, Caveat(name="the load engine's own lag is in the latency", detail=detail, size=share))


def no_kernel_times() -> list[Caveat]:
    """The engine's own lag can't be told here."""
    return [Caveat(name="not calibrated", detail="the kernel gives no receive times (SO_TIMESTAMPNS)")]


def cpu(server: Usage, window_ns: int) -> list[Caveat]:
    """CPU figures need a clock, and some time."""
    window = Caveat(name=f"CPU window under {SHORT_NS / 1e9} s", detail=f"{window_ns / 1e9:.2f} s", size=-window_ns)
    clock = Caveat(name="the server's CPU clock can't be read here", detail="no CPU figures")
    return _if(window_ns < SHORT_NS, window) + _if(server.cpu_ns is None, clock)


def relayed(share: float) -> list[Caveat]:
    """The relay between server and readers is a program beside the engine; *share*: of a CPU that it used."""
    name = "readers are behind a relay in user space, which adds to every delivery"
    return [Caveat(name=name, detail=f"it used {share:.0%} of the load engine's CPU, in no figure", size=share)]


def missed_faults(late: int, readers: int) -> list[Caveat]:
    """Readers came when the schedule of faults had begun, so that they had fewer of them."""
    caveat = Caveat(name="readers came after the first fault", detail=f"{late} of {readers}", size=late)
    return _if(late > 0, caveat)


def preliminary(rounds_of: Mapping[str, int]) -> list[Caveat]:
    """Differences between lanes may be chance. *rounds_of*: how many rounds there were of each kind of trial."""
    kinds = {kind: rounds for kind, rounds in rounds_of.items() if 0 < rounds < ROUNDS_FOR_A_VERDICT}
    rounds = " and ".join(f"{count} {'round' if count == 1 else 'rounds'} of {kind}" for kind, count in kinds.items())
    caveat = Caveat(name="preliminary, no verdict", detail=f"{rounds} trials; {ROUNDS_FOR_A_VERDICT} are needed")
    return _if(bool(kinds), caveat)


def placement(cpus: int, server_cpu: int | None, engine_cpu: int | None) -> list[Caveat]:
    """Server and engine should each have a CPU that nothing else uses."""
    if server_cpu is None or server_cpu == engine_cpu:
        return [Caveat(name="server and engine are not kept apart", detail=f"{cpus} CPU, or no affinity here")]
    detail = f"server on CPU {server_cpu}, engine on CPU {engine_cpu}; the system's other work shares them"
    return _if(cpus < 3, Caveat(name=f"{cpus} CPUs", detail=detail))


def target(url: str, server: str) -> list[Caveat]:
    """The server was running already, somewhere."""
    named = f" ({server})" if server else ""
    detail = f"{url}{named} was running already: its machine, settings and other load, and the way there, aren't known"
    return [Caveat(name="the server's environment isn't known", detail=detail)]


def clients(lanes: Sequence[str]) -> list[Caveat]:
    """Rows that a Python client reads mean something else in two columns."""
    detail = (
        "an event is received when the client hands it over, and engine µs/event is the client's cost, with 1 µs or "
        "less of recording; its connections can't be timed"
    )
    return _if(bool(lanes), Caveat(name=f"read by Python clients: {', '.join(lanes)}", detail=detail))


def congestion_control(name: str) -> list[Caveat]:
    """It decides when bytes are sent: bbr paces them, on loopback too."""
    detail = f"{name}; not comparable with runs under another, such as cubic, Linux's default: it decides when to send"
    return _if(name not in {"cubic", UNKNOWN}, Caveat(name="TCP congestion control", detail=detail))


def left_out(lanes: Mapping[str, str]) -> list[Caveat]:
    """There are more lanes than were measured."""
    detail = ", ".join(f"{lane} ({reason})" for lane, reason in lanes.items())
    return _if(bool(lanes), Caveat(name="lanes left out", detail=detail))


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
