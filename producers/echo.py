"""`echo`: what is sent to it comes back."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from pydantic import Field

from streamlanes.producers.events import Item
from streamlanes.producers.producer import Context, Params, Producer


class EchoParams(Params):
    """Parameters of `echo`."""

    count: int | None = Field(None, ge=1, le=1_000_000)
    """Number of messages; without it, they go on until the session is stopped."""


async def echo(params: EchoParams, context: Context) -> AsyncGenerator[Item, None]:
    """Yield each message sent to the stream, in order. An event is due when its message was taken."""
    echoed = 0
    while params.count is None or echoed < params.count:
        message = await context.inbox.get()
        echoed += 1
        yield Item(message)


PRODUCER: Final = Producer("echo", EchoParams, echo)
