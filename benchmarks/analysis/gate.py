"""The correctness gate: what a reader got against what the producer makes. No figures without it."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from streamlanes.benchmarks.spec.expected import Expected
from streamlanes.benchmarks.spec.records import Column, Reader
from streamlanes.producers.events import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Correctness:
    """What was wrong with what one reader got, or several."""

    lost: int = 0
    repeated: int = 0
    reordered: int = 0
    """Events that came for the first time after one with a larger offset."""
    unexpected: int = 0
    """Events with an offset that the stream doesn't have."""
    corrupt: int = 0
    """Readers whose offsets are right and whose data isn't the producer's."""
    failures: tuple[str, ...] = ()
    """Readers that didn't come to the end of a completed stream."""

    @property
    def ok(self) -> bool:
        """Whether everything came, once, in order, unchanged, and the end was told."""
        return self == Correctness()

    def faults(self) -> str:
        """Say what is wrong."""
        counts = {
            "lost": self.lost,
            "repeated": self.repeated,
            "reordered": self.reordered,
            "unexpected": self.unexpected,
            "readers with other data than the producer's": self.corrupt,
        }
        found = [f"{count} {name}" for name, count in counts.items() if count]
        if self.failures:
            others = f" (and {len(self.failures) - 1} more readers)" if len(self.failures) > 1 else ""
            found.append(f"{self.failures[0]}{others}")
        return ", ".join(found)


def judge(reader: Reader, column: Column, expected: Expected) -> Correctness:
    """Compare one reader's record with the stream that the producer makes of the same parameters."""
    lost, repeated, reordered, unexpected = _sequence(column.offsets, expected.events)
    in_sequence = not (lost or repeated or reordered or unexpected)
    failure = reader.error
    if failure is None and reader.outcome != Outcome.COMPLETED:
        failure = f"the stream ended as {reader.outcome}"
    return Correctness(
        lost=lost,
        repeated=repeated,
        reordered=reordered,
        unexpected=unexpected,
        corrupt=int(in_sequence and reader.checksum != expected.checksum),
        failures=() if failure is None else (failure,),
    )


def total(parts: Sequence[Correctness]) -> Correctness:
    """Return the verdict on all readers together."""
    return Correctness(
        lost=sum(part.lost for part in parts),
        repeated=sum(part.repeated for part in parts),
        reordered=sum(part.reordered for part in parts),
        unexpected=sum(part.unexpected for part in parts),
        corrupt=sum(part.corrupt for part in parts),
        failures=tuple(failure for part in parts for failure in part.failures),
    )


def _sequence(offsets: array[int], events: int) -> tuple[int, int, int, int]:
    """Return how many of 1…*events* are lost, repeated and reordered in *offsets*, and how many are none of them."""
    if offsets == array("q", range(1, events + 1)):
        return 0, 0, 0, 0
    seen = bytearray(events + 1)
    distinct = repeated = reordered = unexpected = highest = 0
    for offset in offsets:
        if not 1 <= offset <= events:
            unexpected += 1
        elif seen[offset]:
            repeated += 1
        else:
            seen[offset] = 1
            distinct += 1
            reordered += offset < highest
            highest = max(highest, offset)
    return events - distinct, repeated, reordered, unexpected
