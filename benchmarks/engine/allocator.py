"""Having the C library keep what is freed.

A stream at full speed takes and frees buffers of some 100 KB all the time. glibc gives such memory back to the system
at once and asks for it again, page fault by page fault, which cost the engine more than all it does with the bytes.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
"""Names of glibc's malloc.h (mallopt(3)), which Python doesn't have."""
KEPT: Final = 2**28
"""Bytes of free memory that the process may keep."""
LARGEST: Final = 2**25
"""Bytes of a buffer that is taken from it; mallopt(3) allows no more."""


def keep_freed() -> bool:
    """Have this process keep up to KEPT bytes that are free; returns False where the C library has no such option."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:  # it isn't glibc
        return False
    return bool(mallopt(_M_TRIM_THRESHOLD, KEPT)) and bool(mallopt(_M_MMAP_THRESHOLD, LARGEST))
