"""The relay between real sockets, without faults: what passes, and what is left when it goes."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamlanes.benchmarks.relay import (
    Cut,
    Direction,
    Fault,
    HalfOpen,
    Link,
    Relay,
    Reset,
    Shape,
    Stall,
    State,
)
from tests.benchmarks.relay.ends import (
    DATA,
    DEADLINE,
    joined,
    pattern,
    receive,
    receive_all,
    send,
)


async def test_bytes_pass_unchanged_both_ways_at_once() -> None:
    up, down = pattern(3_000_000), pattern(2_000_000)[::-1]
    async with joined() as ends:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(send(ends.client, up))
            tasks.create_task(send(ends.server, down))
            got_up = tasks.create_task(receive(ends.server, len(up)))
            got_down = tasks.create_task(receive(ends.client, len(down)))
        assert (got_up.result(), got_down.result()) == (up, down)
        assert (ends.tally.up, ends.tally.down, ends.tally.state) == (len(up), len(down), State.OPEN)
        assert (ends.relay.counts.up, ends.relay.counts.down) == (len(up), len(down))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(st.binary(min_size=1, max_size=3000), max_size=12),
    link=st.builds(
        Link,
        delay=st.sampled_from([0, 0.001]),
        jitter=st.sampled_from([0, 0.01]),
        bandwidth=st.sampled_from([None, 1e6]),
        buffer_bytes=st.sampled_from([0, 500]),
        buffer_seconds=st.sampled_from([0.002, float("inf")]),
    ),
    seed=st.integers(0, 100),
)
async def test_whatever_the_link_bytes_come_in_order(pieces: list[bytes], link: Link, seed: int) -> None:
    async with joined(seed=seed, up=link, down=link) as ends:

        async def write(sock: socket.socket) -> None:
            for piece in pieces:
                await send(sock, piece)
                await asyncio.sleep(0)
            sock.shutdown(socket.SHUT_WR)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(write(ends.client))
            tasks.create_task(write(ends.server))
            got_up = tasks.create_task(receive_all(ends.server))
            got_down = tasks.create_task(receive_all(ends.client))
        assert got_up.result() == got_down.result() == b"".join(pieces)


async def test_a_fin_is_passed_on_behind_what_is_pending_and_the_other_way_goes_on(direction: Direction) -> None:
    async with joined(up=Link(delay=0.02), down=Link(delay=0.02)) as ends:
        here, there = ends.sending(direction), ends.receiving(direction)
        await send(here, DATA)
        here.shutdown(socket.SHUT_WR)
        assert await receive_all(there) == DATA
        assert ends.state() == State.OPEN
        await send(there, b"answer")
        assert await receive(here, 6) == b"answer"
        there.shutdown(socket.SHUT_WR)
        assert await receive_all(here) == b""
        await ends.pass_by()
        assert ends.state() == State.CLOSED


async def test_a_rst_is_passed_on(direction: Direction) -> None:
    async with joined() as ends:
        await send(ends.sending(direction), b"x")
        assert await receive(ends.receiving(direction), 1) == b"x"
        ends.sending(direction).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        ends.sending(direction).close()
        with pytest.raises(ConnectionResetError):
            await receive_all(ends.receiving(direction))
        assert ends.state() == State.LOST


async def test_a_server_that_is_down_resets_the_client_and_may_come_back_elsewhere() -> None:
    async with joined() as ends:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            gone = closed.getsockname()
        ends.relay.upstream = gone
        with socket.create_connection(("127.0.0.1", ends.relay.port)) as client:
            client.setblocking(False)
            with pytest.raises(ConnectionResetError):
                await receive_all(client)
        assert ends.relay.connections[1].state == State.REFUSED
        ends.relay.upstream = ends.listener.getsockname()
        await ends.pass_by()
        ends.relay.refusing = True
        with socket.create_connection(("127.0.0.1", ends.relay.port)) as client:
            client.setblocking(False)
            with pytest.raises(ConnectionResetError):
                await receive_all(client)
        counts = ends.relay.counts
        assert (counts.accepted, counts.refused, counts.open, counts.connecting) == (4, 2, 1, 0)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_nothing_is_left_behind() -> None:
    before = descriptors()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        faults: list[list[Fault]] = [
            [],
            [HalfOpen()],
            [Stall(seconds=60)],
            [Cut()],
            [Shape(link=Link(delay=60))],
            [Reset()],
        ]
        async with (
            asyncio.timeout(DEADLINE),
            Relay(*listener.getsockname(), faults=lambda k, _: faults[k % 6]) as relay,
        ):
            clients = []
            for _ in range(60):
                clients.append(socket.create_connection(("127.0.0.1", relay.port)))
                clients[-1].sendall(b"pending")
            while relay.counts.half_open < 5:  # some are left in the backlog, some connecting
                await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        for client in clients:
            client.close()
    assert (relay.counts.open, relay.counts.half_open) == (0, 0)
    assert descriptors() == before


async def test_leaving_ends_connections() -> None:
    async with asyncio.timeout(DEADLINE):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            async with Relay(*listener.getsockname()) as relay:
                client = socket.create_connection(("127.0.0.1", relay.port))
                client.setblocking(False)
                server, _ = await asyncio.get_running_loop().sock_accept(listener)
            with client, server:
                assert await receive_all(client) == b""
                assert await receive_all(server) == b""


async def test_an_error_in_the_block_comes_out_as_itself() -> None:
    with pytest.raises(LookupError, match="mine"):
        async with joined():
            raise LookupError("mine")


async def test_a_block_can_be_cancelled() -> None:
    entered = asyncio.Event()

    async def stay() -> None:
        async with joined():
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(stay())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_broken_schedule_ends_the_block() -> None:
    def broken(_: int, __: object) -> list[Cut]:
        raise LookupError("no such fault")

    with pytest.raises(ExceptionGroup) as caught:
        async with joined(broken):
            await asyncio.Event().wait()
    assert caught.group_contains(LookupError, match="no such fault")


async def test_a_relay_can_have_a_port_of_its_own_again() -> None:
    async with Relay("127.0.0.1", 9) as first:
        port = first.port
    async with Relay("127.0.0.1", 9, listen=port) as second:
        assert second.url == f"http://127.0.0.1:{port}"
        with pytest.raises(OSError, match="use"):
            async with Relay("127.0.0.1", 9, listen=port):
                pytest.fail("it was entered")
