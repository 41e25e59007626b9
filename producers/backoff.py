"""How long to stay away from a server before it is asked again. No I/O, nothing but the standard library."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

MAX_PATIENCE: Final = 3600.0
"""Seconds; whoever asks for more patience is asked again then."""


def full_jitter(failures: int, *, first: float, longest: float, rng: Callable[[], float]) -> float:
    """Return the seconds to wait after so many failures in a row (1 or more), *rng* being uniform in [0, 1).

    Exponential back-off with full jitter, uniform between 0 and the bound, which doubles each time
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """
    bound = first
    for _ in range(failures - 1):  # not 2**failures, which overflows a float
        if bound >= longest:
            break
        bound *= 2
    return rng() * min(bound, longest)


def seconds_until(retry_after: str | None) -> float:
    """Read a Retry-After field, seconds or a date (RFC 9110, 10.2.3), up to an hour.

    0 for none, a past one or an unreadable one.
    """
    if retry_after is None:
        return 0.0
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):  # TypeError: a date without a zone
            return 0.0
    return min(max(seconds, 0.0), MAX_PATIENCE) if math.isfinite(seconds) else 0.0
