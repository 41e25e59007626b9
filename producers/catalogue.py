"""The producers that a server offers if it isn't told otherwise.

`upstream` isn't one of them: it has nothing to offer until APIs are named, and needs packages that servers don't.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from streamlanes.producers import echo, replay, ticker, tokens
from streamlanes.producers.producer import Producer
from streamlanes.producers.replay import Recording

PRODUCERS: Final[Mapping[str, Producer[Any]]] = {  # each has parameters of its own type
    producer.name: producer for producer in (tokens.PRODUCER, ticker.PRODUCER, echo.PRODUCER, replay.PRODUCER)
}


def with_recordings(recordings: Mapping[str, Recording]) -> Mapping[str, Producer[Any]]:
    """Return the same producers, of which `replay` has these *recordings*."""
    return {**PRODUCERS, replay.PRODUCER.name: replay.producer(recordings)}
