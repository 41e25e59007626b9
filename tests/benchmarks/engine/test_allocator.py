"""What the engine frees stays with it."""

from __future__ import annotations

import gc
import json
import platform
import subprocess
import sys
from typing import Final

import pytest

from streamlanes.benchmarks.engine import shard
from streamlanes.benchmarks.spec.records import Spec, dump_spec
from streamlanes.benchmarks.spec.tasks import Sessions
from streamlanes.producers.wire import SSE

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


def test_a_shard_keeps_what_it_frees_and_need_not_look_at_what_was_there_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    monkeypatch.setattr(shard, "keep_freed", lambda: told.append("kept"))
    monkeypatch.setattr(gc, "freeze", lambda: told.append("frozen"))
    spec = Spec(
        url="http://127.0.0.1:9",
        lane="sse",
        reader=SSE,
        server_pid=None,
        deadline=1.0,
        task=Sessions(sessions=()),
    )
    shard.work(dump_spec(spec))
    assert told == ["kept", "frozen"]
