"""Delay, bandwidth, buffers and backpressure between real sockets."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from streamlanes.benchmarks.relay import (
    Direction,
    Link,
    Shape,
)
from streamlanes.benchmarks.relay.delayline import BURST, MAX_BYTES
from streamlanes.benchmarks.relay.flow import READ
from tests.benchmarks.relay.ends import (
    DATA,
    DEADLINE,
    Ends,
    another,
    first,
    joined,
    receive,
    receive_all,
    send,
    send_until_stuck,
    silent,
)


async def round_trip(ends: Ends) -> float:
    begin = time.monotonic()
    await send(ends.client, b"ping")
    assert await receive(ends.server, 4) == b"ping"
    await send(ends.server, b"pong")
    assert await receive(ends.client, 4) == b"pong"
    return time.monotonic() - begin


async def test_a_delay_is_kept_and_can_be_changed_while_connections_are_open() -> None:
    async with joined(down=Link(delay=0.05)) as ends:
        assert 0.05 <= await round_trip(ends) < 1
        ends.relay.up = Link(delay=0.05)
        assert 0.1 <= await round_trip(ends) < 1
        assert ends.relay.up == Link(delay=0.05)
        ends.relay.up = ends.relay.down = Link()
        assert min([await round_trip(ends) for _ in range(20)]) < 0.05


async def test_a_connection_may_have_a_link_of_its_own() -> None:
    async with joined(first(Shape(link=Link(delay=0.05)))) as ends:
        assert await round_trip(ends) >= 0.1
        async with another(ends.relay, ends.listener) as (client, server):
            fast = Ends(ends.relay, ends.listener, client, server)
            assert min([await round_trip(fast) for _ in range(20)]) < 0.05


async def test_a_bandwidth_is_kept(direction: Direction) -> None:
    link = Link(bandwidth=2e6)
    async with joined(up=link, down=link) as ends, asyncio.TaskGroup() as tasks:
        begin = time.monotonic()
        tasks.create_task(send(ends.sending(direction), DATA))
        came = 0
        while came < len(DATA):
            data = await asyncio.get_running_loop().sock_recv(ends.receiving(direction), 1 << 20)
            came += len(data)
            assert came <= (time.monotonic() - begin + BURST) * 2e6 + 2
        assert 0.2 - BURST < time.monotonic() - begin < 3


async def test_a_buffer_is_let_go_when_full_or_late_or_at_the_end() -> None:
    async with joined(first(Shape(link=Link(buffer_bytes=100), direction="up"))) as ends:
        await send(ends.client, DATA[:99])
        await ends.pass_by()
        assert silent(ends.server)
        await send(ends.client, DATA[99:100])
        assert await receive(ends.server, 100) == DATA[:100]
        begin = time.monotonic()
        ends.relay.up = Link(buffer_bytes=100, buffer_seconds=0.05)
        await send(ends.client, b"late")
        assert await receive(ends.server, 4) == b"late"
        assert time.monotonic() - begin >= 0.05
        ends.relay.up = Link(buffer_bytes=100)
        await send(ends.client, b"end")
        ends.client.shutdown(socket.SHUT_WR)
        assert await receive_all(ends.server) == b"end"


@pytest.mark.parametrize("link", [Link(), Link(delay=DEADLINE * 2), Link(buffer_bytes=10**9)])
async def test_a_side_that_does_not_read_stops_the_other_one(direction: Direction, link: Link) -> None:
    async with joined() as ends:
        await ends.pass_by()
        if direction == "up":
            ends.relay.up = link
        else:
            ends.relay.down = link
        here = ends.sending(direction)
        (splice,) = (each for each in ends.relay._splices if each._tally is ends.tally)
        flow = splice.flows[direction]
        sent = await send_until_stuck(here, lambda: flow._line.room(time.monotonic()) == 0)
        bound = READ if link == Link() else MAX_BYTES
        assert flow._line._size <= bound
        # The rest is in the kernel's buffers: the system's limits, two connections, both ends.
        assert sent < 50_000_000
