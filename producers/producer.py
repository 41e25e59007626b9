"""What a producer is: a name, bounded parameters, and an async generator of items."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from streamlanes.producers.events import Item
from streamlanes.producers.inbox import Inbox


class Params(BaseModel):
    """Base of all producers' parameters: immutable, and unknown names are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a generator gets besides its parameters."""

    start_ns: int
    """Nanoseconds of CLOCK_MONOTONIC at which the stream was created, which schedules count from."""
    inbox: Inbox = field(default_factory=Inbox)
    """What clients send to it."""


P = TypeVar("P", bound=Params)


@dataclass(frozen=True, slots=True)
class Producer(Generic[P]):
    """A kind of stream that can be started by name.

    `produce(params, context)` makes one stream's generator. A generator that yields items with `due_ns` has its
    schedule ready: it yields them in order of their due times and awaits nothing in between. One that yields items as
    they happen leaves `due_ns` out and awaits what it likes.
    """

    name: str
    params: type[P]
    produce: Callable[[P, Context], AsyncGenerator[Item, None]]

    def start(self, params: object, context: Context) -> AsyncGenerator[Item, None]:
        """Validate *params* (a mapping) and make the generator. Raises pydantic.ValidationError."""
        return self.produce(self.params.model_validate(params), context)
