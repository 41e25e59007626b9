"""Instructions per delivery: `make perf`, with valgrind installed.

Seconds depend on what else a machine does; instructions in user space don't. Each lane is served to so many readers on
real sockets, which take nothing meanwhile (what is sent fits into the kernel), and events are appended one by one. What
callgrind counts is the server's process between the first append and the last delivery.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import uvloop

from streamlanes.contract.serving import serving
from streamlanes.contract.sources import Fed, sources
from streamlanes.producers.events import Item
from streamlanes.transports import SharedStream, StreamService, baselines, discover
from tests.guarantees.readers import address
from tests.guarantees.wires import read_request

LANES: Final = ("sse", "ndjson", "ws", "sse-asgi", "ws-asgi", "sse-starlette", "sse-usual", "ws-usual")
READERS: Final = (10, 100)
EVENTS: Final = 50
WARM_UP: Final = 10
SIZE: Final = 128


async def deliver(lane: str, readers: int) -> None:
    """Deliver WARM_UP events to so many readers, and EVENTS under callgrind's count."""
    transports = {**discover(), **baselines.discover()}
    service = StreamService(producers=sources(Fed()), shared=[SharedStream(name="a", producer="fed")])
    metrics = service.metrics.lane(lane)
    request = read_request(transports[lane], "a")
    async with asyncio.timeout(500), serving(service, [transports[lane]]) as url:
        with ExitStack() as stack:
            for _ in range(readers):
                sock = stack.enter_context(socket.create_connection(address(url)))
                sock.sendall(request)
            while service.sessions["a"].readers < readers:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)
            for n in range(WARM_UP + EVENTS):
                if n == WARM_UP:
                    count("on")
                await service.append("a", [Item("x" * SIZE)])
                while metrics.delivered < (n + 1) * readers:
                    await asyncio.sleep(0)
            count("off")


def count(state: str) -> None:
    """Have callgrind count from now on, or no more."""
    subprocess.run(["callgrind_control", "-i", state], check=True, stdout=subprocess.DEVNULL)


def counted(lane: str, readers: int) -> int:
    """Return the instructions per delivery, in a process of its own. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        tool = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}"]
        own = [sys.executable, "-m", "tests.micro.instructions", "--lane", lane, "--readers", str(readers)]
        subprocess.run([*tool, *own], check=True, capture_output=True)
        (total,) = re.findall(r"^totals: (\d+)", out.read_text(), re.MULTILINE)
    return int(total) // (readers * EVENTS)


def main() -> None:
    """Print a table of all lanes, or be the process that is counted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lane")
    parser.add_argument("--readers", type=int, default=READERS[0])
    options = parser.parse_args()
    if options.lane:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(deliver(options.lane, options.readers))
        return
    sys.stdout.write("".join([f"{'lane':14}", *(f"{f'{readers} readers':>14}" for readers in READERS), "\n"]))
    for lane in LANES:
        sys.stdout.write("".join([f"{lane:14}", *(f"{counted(lane, readers):>14,}" for readers in READERS), "\n"]))
        sys.stdout.flush()
    sys.stdout.write("Instructions per delivery, in user space, of the server's process.\n")


if __name__ == "__main__":
    main()
