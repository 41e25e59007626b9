"""The producers that a server offers if it isn't told otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from producers import echo, ticker, tokens
from producers.producer import Producer

PRODUCERS: Final[Mapping[str, Producer[Any]]] = {  # each has parameters of its own type
    producer.name: producer for producer in (tokens.PRODUCER, ticker.PRODUCER, echo.PRODUCER)
}
