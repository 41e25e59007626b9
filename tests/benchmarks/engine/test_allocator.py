"""What the engine frees stays with it."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from typing import Final

import pytest

BUFFER: Final = 400_000
"""Bytes, as of what is read from a socket at full speed."""
TIMES: Final = 200
PROGRAM: Final = f"""
import json, resource, sys
from streamlanes.benchmarks.engine.allocator import keep_freed

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range({TIMES}):
        kept = [b"x" * {BUFFER} for _ in range(4)]
        del kept
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
assert keep_freed()
faults()
json.dump([before, faults()], sys.stdout)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_buffers_are_had_without_page_faults() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=True)
    before, after = json.loads(done.stdout)
    assert before > TIMES
    assert after < TIMES
