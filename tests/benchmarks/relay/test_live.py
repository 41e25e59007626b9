"""Faults at any moment, while connections are open."""

from __future__ import annotations

import socket
import time

import pytest

from streamlanes.benchmarks.relay import (
    State,
)
from tests.benchmarks.relay.ends import (
    DATA,
    DEADLINE,
    another,
    joined,
    receive,
    receive_all,
    send,
    silent,
)


async def test_open_connections_are_cut_and_new_ones_are_not() -> None:
    async with joined() as ends, another(ends.relay, ends.listener) as (client, server):
        await ends.pass_by()
        assert ends.relay.counts.open >= 2
        ends.relay.cut()
        assert (ends.relay.counts.open, ends.relay.counts.cut) == (
            0,
            ends.relay.counts.accepted - ends.relay.counts.closed,
        )
        for sock in (ends.client, ends.server, client, server):
            assert await receive_all(sock) == b""
        await ends.pass_by()


async def test_open_connections_are_reset() -> None:
    async with joined() as ends:
        await ends.pass_by()
        ends.relay.reset()
        for sock in (ends.client, ends.server):
            with pytest.raises(ConnectionResetError):
                await receive_all(sock)
        assert ends.state() == State.RESET


async def test_open_connections_are_left_half_open_and_reset_later() -> None:
    async with joined() as ends:
        await ends.pass_by()
        ends.relay.half_open()
        await send(ends.client, b"x")
        await ends.pass_by()
        assert silent(ends.server)
        ends.relay.reset()
        with pytest.raises(ConnectionResetError):
            await receive_all(ends.server)


async def test_a_stall_of_one_direction_leaves_the_other_alone_and_can_be_ended() -> None:
    async with joined() as ends:
        await ends.pass_by()
        ends.relay.stall(DEADLINE * 2, "down")
        await send(ends.client, b"up")
        assert await receive(ends.server, 2) == b"up"
        await send(ends.server, b"down")
        ends.server.shutdown(socket.SHUT_WR)
        async with another(ends.relay, ends.listener) as (client, server):  # it comes into the stall
            await send(server, b"down")
            await send(client, b"up")
            assert await receive(server, 2) == b"up"
            assert silent(ends.client)
            assert silent(client)
            ends.relay.stall(0)
            assert await receive_all(ends.client) == b"down"
            assert await receive(client, 4) == b"down"


async def test_a_stall_ends_by_itself() -> None:
    async with joined() as ends:
        await ends.pass_by()
        begin = time.monotonic()
        ends.relay.stall(0.1)
        await send(ends.client, DATA[:5])
        await send(ends.server, DATA[:5])
        assert await receive(ends.server, 5) == await receive(ends.client, 5) == DATA[:5]
        assert time.monotonic() - begin > 0.1


async def test_the_next_response_can_be_dropped_while_it_is_awaited() -> None:
    async with joined() as ends:
        await send(ends.client, b"poll")
        assert await receive(ends.server, 4) == b"poll"
        ends.relay.drop_response()
        await send(ends.client, b"more")
        assert await receive(ends.server, 4) == b"more"
        await send(ends.server, b"answer")
        assert await receive_all(ends.client) == b""
        assert ends.tally.down == 0
        await ends.pass_by()
