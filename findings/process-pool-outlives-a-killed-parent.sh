#!/usr/bin/env bash
# Software:  CPython 3.11 to 3.14, concurrent.futures.ProcessPoolExecutor with the start method spawn, on Linux.
# Behaviour: a worker waits for work on a pipe of which it holds both ends. So when its parent is killed (SIGKILL, or out
#            of memory) nothing tells it: it stays, with what it has imported, and so does multiprocessing's resource
#            tracker, until somebody kills them.
# Seen:      2 s after the parent was killed the worker is still there, as a child of another process.
# Expected:  a pool's workers end with the process that made the pool.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/parent.py" <<'PY'
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

if __name__ == "__main__":
    pool = ProcessPoolExecutor(1, get_context("spawn"))
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(30)
PY
cat > "$folder/look.py" <<'PY'
import os
import signal
import subprocess
import sys
import time

parent = subprocess.Popen([sys.executable, sys.argv[1]], stdout=subprocess.PIPE, text=True, start_new_session=True)
worker = int(parent.stdout.readline())
try:
    parent.kill()
    parent.wait()
    time.sleep(2)
    state = open(f"/proc/{worker}/stat").read().rpartition(")")[2].split()
    print(f"the worker is there, in state {state[0]}, and its parent is process {state[1]}, not {parent.pid}")
    assert state[0] != "Z" and int(state[1]) != parent.pid, "the behaviour has changed"
finally:
    os.killpg(parent.pid, signal.SIGKILL)  # the worker and the resource tracker
PY
timeout 40 python3 "$folder/look.py" "$folder/parent.py"
