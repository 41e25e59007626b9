"""`recovery`: readers of one stream behind a relay with faults, who come back and go on where they were.

Of METHOD's faults two are left out, since they lose events by design, and a trial that lost any has no figures: killing
the server (with the memory log the stream is gone; going on elsewhere is the shared log's promise), and trimming the
history under a slow reader (who is told of the gap). A rolling restart is here as a proxy shows it: `refuse`.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Final

from pydantic import Field

from streamlanes.benchmarks.analysis import caveats
from streamlanes.benchmarks.analysis.figures import Figures
from streamlanes.benchmarks.analysis.outages import peak, reconnects, recoveries, resent, suffered, timeline
from streamlanes.benchmarks.analysis.recorded import Recorded
from streamlanes.benchmarks.kinds import Kind, Pace
from streamlanes.benchmarks.kinds.settings import CHECKED, Rounds, Size
from streamlanes.benchmarks.relay.timed import TimedFault
from streamlanes.benchmarks.spec.sessions import ProducerParams
from streamlanes.benchmarks.spec.tasks import Audience, Reconnecting
from streamlanes.benchmarks.spec.workload import Workload, to_an_audience
from streamlanes.benchmarks.trial.network import Relayed

NAME: Final = "recovery"
CONNECT_SECONDS: Final = 0.01
"""Seconds for each reader to come before the first event is due."""
READY_SECONDS: Final = 0.5
"""Seconds for the last one to be there."""

SCHEDULE: Final = (
    TimedFault(at=1.0, what="cut"),
    TimedFault(at=2.5, what="reset"),
    TimedFault(at=4.0, what="stall", seconds=1.0),
    TimedFault(at=6.0, what="drop"),
    TimedFault(at=7.5, what="bytes", seconds=2.0, size=4_000),
    TimedFault(at=11.5, what="refuse", seconds=0.5),
    TimedFault(at=15.0, what="buffer", seconds=1.5, size=4_096, hold=0.25),
    TimedFault(at=17.5, what="idle", seconds=1.0),
    TimedFault(at=20.0, what="half-open"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The settings. Raises ValueError if the faults aren't one after the other, or the stream is over before them."""

    __pydantic_config__ = CHECKED

    rounds: Rounds = 3
    readers: Annotated[int, Field(ge=1, le=2_000)] = 20
    rate: Annotated[float, Field(ge=1, le=1_000)] = 50.0
    """Events per second of the stream."""
    size: Size = 128
    """Bytes of each event's JSON text."""
    seconds: Annotated[float, Field(ge=0.5, le=3_600)] = 25.0
    """How long the stream goes on."""
    faults: Annotated[tuple[TimedFault, ...], Field(min_length=1)] = SCHEDULE
    """Faults (see `relay.timed`); their times count from when the first event is due."""
    jitter: Annotated[float, Field(ge=0, le=60)] = 0.2
    """Each fault comes up to so many seconds later, drawn anew for each round, and the same on every lane."""
    heartbeat: Annotated[float, Field(gt=0, le=60)] = 1.0
    """Seconds of silence before the server sends a ping, and that a poll waits at most."""
    grace: Annotated[float, Field(gt=0, le=60)] = 1.0
    """Seconds that a heartbeat may be late before a reader gives the connection up."""
    first_delay: Annotated[float, Field(ge=0, le=60)] = 0.5
    """Seconds of the first delay (see `tasks.Reconnecting`), by default as this project's clients have it."""
    max_delay: Annotated[float, Field(ge=0, le=600)] = 20.0

    def __post_init__(self) -> None:
        for before, after in pairwise(self.faults):
            if before.until + self.jitter > after.at:
                raise ValueError(f"fault {after.what!r} at {after.at:g} s may begin before {before.what!r} is over")
        if self.faults and self.faults[-1].until + self.jitter >= self.seconds:
            raise ValueError(f"the stream is over after {self.seconds:g} s, and the last fault may not be")

    def workloads(self, *, seed: int, round_number: int) -> list[Workload]:
        delay = self.readers * CONNECT_SECONDS + READY_SECONDS
        count = max(round(self.seconds * self.rate), 1)
        params: ProducerParams = {
            "count": count, "rate": self.rate, "size": self.size, "seed": seed + round_number, "delay": delay,
        }  # fmt: skip
        reconnecting = Reconnecting(
            first_delay=self.first_delay,
            max_delay=self.max_delay,
            silence=self.heartbeat + self.grace,
            seed=seed + round_number,
        )
        audience = Audience(readers=self.readers, spread=self.readers * CONNECT_SECONDS, reconnecting=reconnecting)
        return [
            dataclasses.replace(
                to_an_audience(NAME, audience, params),
                opens=delay,
                options=("--heartbeat", f"{self.heartbeat:g}", "--max-poll-wait", f"{self.heartbeat:g}"),
                network=Relayed(
                    faults=self.schedule(seed=seed, round_number=round_number), delay=delay, seed=seed + round_number
                ),
            )
        ]

    def schedule(self, *, seed: int, round_number: int) -> tuple[TimedFault, ...]:
        """Return the faults of a round, each at its time."""
        # Simulated faults, not cryptography.
        rng = random.Random(f"{seed}/{round_number}/recovery")  # noqa: S311
        return tuple(dataclasses.replace(fault, at=fault.at + rng.random() * self.jitter) for fault in self.faults)

    def title(self) -> str:
        return f"Recovery: {self.readers:,} readers of one stream, {len(self.faults)} faults in {self.seconds:g} s"

    def notes(self) -> tuple[str, ...]:
        return (
            (
                f"{self.rate:,.12g} events a second of {self.size} bytes; faults, each up to {self.jitter:g} s later: "
                f"{_listed(self.faults)}."
            ),
            (
                f"Readers come back after 0 to {self.first_delay:g} s (full jitter, doubling up to "
                f"{self.max_delay:g} s) and go on after their last event; they give up a connection after "
                f"{self.heartbeat + self.grace:g} s of silence, with a heartbeat every {self.heartbeat:g} s, and polls "
                "that wait as long at most."
            ),
        )


def _listed(faults: Sequence[TimedFault]) -> str:
    said = (
        f"{fault.what} at {fault.at:g} s"
        + (f" for {fault.seconds:g} s" if fault.seconds else "")
        + (f" ({fault.size:,} bytes{f' or {fault.hold:g} s' if fault.hold else ''})" if fault.size else "")
        for fault in faults
    )
    return ", ".join(said)


def figures(recorded: Recorded) -> Figures:
    """Return how long readers were cut off, how often events came again, and how many readers came back at once."""
    found = Figures()
    faults = suffered(recorded.folder)
    found.times("recovery", (value for reading in recorded.readings for value in recoveries(reading)))
    found.numbers["resent"] = sum(resent(column.offsets) for _, column in recorded.readings)
    found.numbers["reconnect_peak"] = peak(reconnects(recorded))
    found.timeline = timeline(recorded, faults)
    first, last = faults[0], faults[-1]
    late = sum(reader.request_ns > first.at_ns for reader, _ in recorded.readings)
    found.caveats += caveats.missed_faults(late, len(recorded.readings))
    found.caveats += caveats.relayed((last.cpu_ns - first.cpu_ns) / max(last.at_ns - first.at_ns, 1))
    return found


KIND: Final = Kind(
    name=NAME,
    heading="Under faults",
    part=Recovery,
    figures=figures,
    tables=(("recovery_p50_ms", "recovery_max_ms", "resent", "reconnect_peak", "server_us_per_event", "server_cpu"),),
    pace=Pace.STRAIN,  # all readers coming back at once is what there is to see
)
