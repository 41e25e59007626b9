"""Settings that several kinds have, and the values that are allowed: the same key means the same everywhere."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from pydantic import ConfigDict, Field

CHECKED: Final = ConfigDict(extra="forbid", allow_inf_nan=False)
"""Configuration of a kind's settings: other keys are errors."""

Rounds: TypeAlias = Annotated[int, Field(ge=1, le=1_000)]
"""How often each lane's trials are run."""
Size: TypeAlias = Annotated[int, Field(ge=32, le=65_536)]
"""Bytes of an event's JSON text."""
Deadline: TypeAlias = Annotated[float, Field(gt=0, le=60)]
"""Seconds from due to received within which an event counts for goodput."""
