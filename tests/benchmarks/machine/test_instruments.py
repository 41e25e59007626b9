"""The instruments on something known: the kernel's receive times, TCP's losses, involuntary switches."""

from __future__ import annotations

import os
import socket
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from streamlanes.benchmarks.analysis import caveats
from streamlanes.benchmarks.engine.decoding.decoder import Events
from streamlanes.benchmarks.engine.kernel_times import StampedRecorder
from streamlanes.benchmarks.machine.clocks import ProcessTime, TCPCount, process_time, tcp_count
from streamlanes.benchmarks.machine.usage import Usage, together, usage

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the instruments are Linux's")

MS = 1_000_000
BUSY = 0.02
"""Seconds in which the engine has other things to do."""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        yield listening


def test_the_lag_is_the_time_since_the_kernel_had_the_bytes(listener: socket.socket) -> None:
    recorder = StampedRecorder(0)
    address = listener.getsockname()
    with recorder.socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", address)) as reader:
        reader.settimeout(5)
        reader.connect(address)
        accepted, _ = listener.accept()
        with accepted:
            before_ns = after_ns = received_ns = 0
            tries = iter(range(100))  # the kernel begins to stamp a moment after the first socket has asked for it
            while not recorder.lags_ns and next(tries, None) is not None:
                before_ns = time.monotonic_ns()
                accepted.sendall(b"1")  # on loopback, received when this returns
                after_ns = time.monotonic_ns()
                time.sleep(BUSY)
                assert reader.recv(10) == b"1"
                received_ns = time.monotonic_ns()
                recorder.take(received_ns, Events(array("q", [1]), [b"1"]))
                recorder.take(received_ns, Events())  # what brings no event has no lag of its own
    (lag,) = recorder.lags_ns
    assert received_ns - after_ns - MS <= lag <= received_ns - before_ns + MS
    assert lag >= (BUSY - 0.001) * 1e9


def test_connections_that_a_listener_drops_are_counted(listener: socket.socket) -> None:
    before = tcp_count()
    with ExitStack() as sockets:
        for _ in range(4):  # its queue has room for one
            client = sockets.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        after = tcp_count()
    assert before is not None
    assert after is not None
    assert after.since(before).drops >= after.since(before).overflows >= 2


def test_what_tcp_lost_is_a_doubt() -> None:
    assert not caveats.tcp(None)
    assert not caveats.tcp(TCPCount(0, 0, 0))
    dropped, resent = caveats.tcp(TCPCount(3, 4, 1_200))
    assert "4, 3 of them" in dropped.detail
    assert resent.detail == "1,200"


def test_involuntary_switches_are_counted_over_the_window() -> None:
    samples = [ProcessTime(0, 0, 7), ProcessTime(MS, 0, 9), ProcessTime(2 * MS, 0, 12)]
    found = usage([0, 500 * MS, 1_000 * MS], samples)
    assert found.preempted == 5
    assert together([found, found]).preempted == 10
    assert usage([0, 500 * MS], [ProcessTime(0, 0), ProcessTime(MS, 0, 9)]).preempted is None
    assert (process_time(os.getpid()).preempted or 0) >= 0


def test_involuntary_switches_are_told_with_the_wait_for_a_cpu() -> None:
    waited = Usage(cpu_ns=0, waited_ns=200 * MS, preempted=1_204, busiest=None)
    (caveat,) = caveats.disturbed(waited, Usage(cpu_ns=0, waited_ns=0, preempted=88, busiest=None), 1_000 * MS)
    assert caveat.detail == "server 20%, engine 0% of the time (server 1,204, engine 88 involuntary switches)"
