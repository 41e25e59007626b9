"""The counters of TCP, against bytes that are known."""

from __future__ import annotations

import socket
import sys
import threading
from typing import Final

import pytest

from streamlanes.benchmarks.engine.traffic import Meter

UP: Final = 1_000
DOWN: Final = 20_000

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")


@pytest.mark.parametrize("closes", [True, False], ids=["the peer closes", "the peer stays"])
def test_bytes_are_those_of_the_data_and_segments_are_of_an_ethernet(closes: bool) -> None:
    done = threading.Event()

    def answer() -> None:
        peer, _ = listener.accept()
        with peer:
            _receive(peer, UP)
            peer.sendall(b"d" * DOWN)
            if not closes:
                done.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as listener, Meter() as meter:
        thread = threading.Thread(target=answer)
        thread.start()
        made = meter.socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ()))
        with made:
            made.settimeout(10)
            made.connect(listener.getsockname())
            made.sendall(b"u" * UP)
            _receive(made, DOWN)
            if closes:
                assert made.recv(1) == b""
        # The counters outlive the socket: a client has closed its own by the time that they are asked for.
        total = meter.total()
        done.set()
        thread.join(10)
    assert (total.bytes_up, total.bytes_down) == (UP, DOWN)
    assert total.segments >= 1 + DOWN // 1448


def _receive(connection: socket.socket, count: int) -> None:
    while count:
        count -= len(connection.recv(count))
