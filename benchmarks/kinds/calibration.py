"""`calibration`: a broadcast in which the kernel says when it received what, so that the engine's own lag is seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Final

from pydantic import Field

from streamlanes.benchmarks.analysis import caveats, latency
from streamlanes.benchmarks.analysis.figures import Figures
from streamlanes.benchmarks.analysis.recorded import Recorded
from streamlanes.benchmarks.kinds import Kind, Measures, Servers
from streamlanes.benchmarks.kinds.broadcast import Broadcast
from streamlanes.benchmarks.kinds.settings import CHECKED, Rounds, Size
from streamlanes.benchmarks.spec.tasks import Audience
from streamlanes.benchmarks.spec.workload import Workload

NAME: Final = "calibration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The settings: those of the broadcast that is calibrated."""

    __pydantic_config__ = CHECKED

    rounds: Rounds = 1
    """Rounds, of which the first one only has trials: an instrument is calibrated once in a run."""
    readers: Annotated[int, Field(ge=1, le=10_000)] = 10
    deliveries: Annotated[float, Field(ge=0.1, le=1_000_000)] = 2_000.0
    """Per second, by all readers together."""
    size: Size = 128
    """Bytes of each event's JSON text."""
    seconds: Annotated[float, Field(ge=0.5, le=3_600)] = 1.5

    def workloads(self, *, seed: int, round_number: int) -> list[Workload]:
        if round_number > 1:
            return []
        load = Broadcast(deliveries=self.deliveries, size=self.size, seconds=self.seconds, warm_up=0)
        workload = load.workload(self.readers, self.deliveries / self.readers, seed)
        if not isinstance(workload.task, Audience):
            raise TypeError("a broadcast has an audience")
        return [replace(workload, kind=NAME, task=replace(workload.task, calibrate=True))]

    def title(self) -> str:
        return f"Calibration: the load engine's own lag, with {self.readers:,} readers"

    def notes(self) -> tuple[str, ...]:
        return (
            f"{self.deliveries:,.12g} deliveries a second for {self.seconds:g} s, in the first round.",
            "Where several segments are read at once, only the last one's lag is seen.",
        )


def figures(recorded: Recorded) -> Figures:
    """Return the engine's lag. The latency isn't shown, which on this event loop isn't that of the other trials."""
    broadcast = Figures()
    latency.add_latency(recorded, broadcast)
    found = Figures(backlog=broadcast.backlog)
    lags = [lag for engine in recorded.engines for lag in engine.lags_ns]
    if not lags:
        return replace(found, caveats=caveats.no_kernel_times())
    found.times("engine_lag", lags)
    latency_p50 = broadcast.numbers.get("latency_p50_ms")
    found.caveats += caveats.engine_lag(found.numbers.get("engine_lag_p50_ms"), latency_p50)
    return found


KIND: Final = Kind(
    name=NAME,
    heading="The load engine's own lag",
    part=Calibration,
    figures=figures,
    tables=(("engine_lag_p50_ms", "engine_lag_p99_ms"),),
    servers=Servers.ANY,
    measures=Measures.HARNESS,
)
