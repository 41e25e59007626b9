#!/usr/bin/env bash
# Software:  uvloop 0.23.0, beside CPython's asyncio.
# Behaviour: uvloop counts timers in whole milliseconds: a sleep of under half a millisecond is none at all, so a loop
#            that sleeps for what is left until the next event spins at 100 % of a CPU until the time has come.
# Seen:      1,000 sleeps of 0.4 ms: asyncio takes over 400 ms, uvloop under 200 ms (here some 10).
# Expected:  sleep() never returns before its time, on any event loop.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'uvloop==0.23.0' 2>/dev/null
cat > "$folder/look.py" <<'PY'
import asyncio
import time

import uvloop


async def took() -> float:
    begun = time.monotonic()
    for _ in range(1_000):
        await asyncio.sleep(0.0004)
    return (time.monotonic() - begun) * 1e3


plain = asyncio.run(took())
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    quick = runner.run(took())
print(f"1,000 sleeps of 0.4 ms: asyncio {plain:.0f} ms, uvloop {quick:.0f} ms")
assert plain >= 400 and quick < 200, "the behaviour has changed"
PY
timeout 30 "$folder/venv/bin/python" "$folder/look.py"
