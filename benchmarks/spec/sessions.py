"""The sessions of a trial: fixed before it starts, the same on every lane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

ProducerParams: TypeAlias = "Mapping[str, str | int | float]"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePlan:
    """What a client sends to its stream: the events of the producer `ticker`, each when it is due there."""

    ready_ns: int
    """When the way up is made ready, so that the first message needn't wait for a connection. As all such times,
    after the start of the trial's clock."""
    at_ns: int
    """Nanoseconds after the start of the trial's clock."""
    params: ProducerParams
    """Parameters of `ticker`; seeded and pure, so that the echoes can be judged without a record of what was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """A client that starts a stream at its time and reads it to its end."""

    at_ns: int
    """Nanoseconds after the start of the trial's clock."""
    producer: str
    params: ProducerParams
    messages: MessagePlan | None = None

    @property
    def schedule_ns(self) -> int:
        """When its events begin to be due, after the start of the trial's clock, as far as the engine decides it."""
        return self.at_ns if self.messages is None else self.messages.at_ns
