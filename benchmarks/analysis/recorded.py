"""What a trial left, read back: the readers of all shards beside the journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from streamlanes.benchmarks.machine.clocks import UNKNOWN
from streamlanes.benchmarks.machine.usage import NOTHING_USED, Usage, together, usage
from streamlanes.benchmarks.spec.interleaving import OwnTime
from streamlanes.benchmarks.spec.records import Column, Engine, Reader, Sample, Trial, read_engines, read_trial
from streamlanes.producers.pacing.journal import Stamp, read_journal


class Reading(NamedTuple):
    """One reader's record."""

    reader: Reader
    column: Column


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A trial's raw results."""

    folder: Path
    trial: Trial
    engines: Sequence[Engine]
    """One for each shard."""
    readings: Sequence[Reading]
    """Readers of all shards, in the order of the task."""
    own_time: OwnTime
    """Figures that are shares of time are of this."""

    @property
    def window_ns(self) -> tuple[int, int]:
        """The begin and the end of the window, by the clock of the machine of the shard that went on longest."""
        samples = _longest(self.engines).samples
        return samples[0].at_ns, samples[-1].at_ns

    @property
    def span_ns(self) -> int:
        """How much of the trial's own time the window has."""
        begin_ns, end_ns = self.window_ns
        return self.own_time.at(end_ns) - self.own_time.at(begin_ns)

    @property
    def usages(self) -> tuple[Usage, Usage]:
        """What the server and the engine used of CPUs in the window, by the trial's own time."""
        machine = self.trial.boot_id
        near = [engine for engine in self.engines if UNKNOWN in {engine.boot_id, machine} or engine.boot_id == machine]
        # On another machine the server's process id is some other process's.
        samples = _longest(near).samples if near else ()
        server = usage(self._times(samples), [one.server for one in samples]) if samples else NOTHING_USED
        engines = [
            usage(self._times(engine.samples), [sample.engine for sample in engine.samples]) for engine in self.engines
        ]
        return server, together(engines)

    @property
    def one_clock(self) -> bool:
        """Whether the server's times are known, and of the same clock as all readers', so that they can be subtracted.

        Where the system doesn't tell which clock it is, they are: then all are processes of this machine.
        """
        if not self.trial.journaled:
            return False
        server = (self.trial.boot_id, self.trial.time_namespace)
        readers = {(engine.boot_id, engine.time_namespace) for engine in self.engines}
        return all(reader == server or UNKNOWN in (*server, *reader) for reader in readers)

    @property
    def journal_lacks(self) -> bool:
        """Whether readers got events that the producer's journal lacks, since it couldn't be written any more."""
        if not self.trial.journaled:
            return False
        most = max((one.events for one in self.trial.expected), default=0)
        for reader, column in self.readings:
            real = [offset for offset in column.offsets if offset <= most]  # the others are the lane's own
            if real and reader.epoch and max(real) > len(self.stamps(reader)):
                return True
        return False

    def _times(self, samples: Sequence[Sample]) -> list[int]:
        return [self.own_time.at(sample.at_ns) for sample in samples]

    def stamps(self, reader: Reader) -> Sequence[Stamp]:
        """Return the journal of a reader's stream. Raises FileNotFoundError."""
        return read_journal(self.folder / "journal", reader.epoch)


def _longest(engines: Sequence[Engine]) -> Engine:
    """Return the shard whose window is that of the trial: they begin together, and end with their last readers."""
    return max(engines, key=lambda engine: engine.window_ns)


def read(folder: Path) -> Recorded:
    """Read the trial in *folder*. Raises FileNotFoundError if the engine didn't come to its end."""
    shards = read_engines(folder)
    readings = [Reading(*pair) for engine, columns in shards for pair in zip(engine.readers, columns, strict=True)]
    trial = read_trial(folder)
    return Recorded(
        folder=folder,
        trial=trial,
        own_time=OwnTime.of(trial.turns, _begin_ns(folder)),
        engines=[engine for engine, _ in shards],
        readings=sorted(readings, key=lambda reading: reading.reader.index),
    )


def _begin_ns(folder: Path) -> int:
    """Return when the trial's first event was due; 0 if its producers had none."""
    journals = [read_journal(path.parent, path.stem) for path in (folder / "journal").glob("*.journal")]
    return min((stamps[0].due for stamps in journals if stamps), default=0)
