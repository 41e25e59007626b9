"""The names of rows that aren't just a lane's."""

from __future__ import annotations

from typing import Final

FLOOR: Final = "floor"
"""The row that the others' CPU time is a multiple of."""
ALONE: Final = "no readers"
"""The row of the trials in which nobody reads."""
AGAIN: Final = "~again"
"""Ends the name of a lane that is entered a second time: the difference between the two is chance (A/A)."""
