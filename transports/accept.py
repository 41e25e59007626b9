"""The Accept field, compared as HTTP has it: media types have no case, and may have parameters (RFC 9110 §12.5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EVENT_STREAM: Final = "text/event-stream"


def media_types(field: str) -> Mapping[str, float]:
    """Return the media types that *field* names, in its order, with their weights; what can't be read weighs 0."""
    named: dict[str, float] = {}
    for part in field.split(","):
        name, *parameters = (word.strip().lower() for word in part.split(";"))
        if name:
            weights = [text.removeprefix("q=") for text in parameters if text.startswith("q=")]
            named.setdefault(name, _weight(weights[0]) if weights else 1.0)
    return named


def is_event_source(field: str) -> bool:
    """Tell a browser's EventSource, which gives up for good on any status but 200, from clients that see statuses."""
    return list(media_types(field)) == [EVENT_STREAM]


def prefers(field: str, wanted: str, usual: str) -> bool:
    """Say whether *field* names *wanted*, and *usual* with less weight, later, or not at all."""
    named = media_types(field)
    weight, other = named.get(wanted, 0.0), named.get(usual, 0.0)
    if weight != other or not weight:
        return weight > other
    order = list(named)
    return order.index(wanted) < order.index(usual)


def _weight(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1.0)
    except ValueError:
        return 0.0
