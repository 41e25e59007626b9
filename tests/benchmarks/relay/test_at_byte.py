"""Planned faults: what each side gets, to the byte."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from streamlanes.benchmarks.relay import (
    Cut,
    Direction,
    DropResponse,
    Fault,
    HalfOpen,
    Reset,
    Stall,
    State,
    always,
)
from streamlanes.benchmarks.relay.flow import READ
from tests.benchmarks.relay.ends import (
    DATA,
    first,
    joined,
    receive,
    receive_all,
    send,
    sent_before_a_reset,
    silent,
)

BYTES = [0, 1, 1000, READ, READ + 1, 300_000]


@pytest.mark.parametrize("count", BYTES)
async def test_a_cut_delivers_exactly_so_many_bytes_and_then_ends_both_sides(direction: Direction, count: int) -> None:
    async with joined(always(Cut(after_bytes=count, direction=direction))) as ends, asyncio.TaskGroup() as tasks:
        here, there = ends.sending(direction), ends.receiving(direction)
        tasks.create_task(sent_before_a_reset(here, DATA))
        assert await receive_all(there) == DATA[:count]
        assert await receive_all(here) == b""
        assert ends.state() == State.CUT
        assert {direction: ends.tally.up if direction == "up" else ends.tally.down} == {direction: count}


async def test_a_cut_leaves_what_was_delivered_to_a_side_that_reads_late(direction: Direction) -> None:
    async with joined(always(Cut(after_bytes=20_000, direction=direction))) as ends:
        here, there = ends.sending(direction), ends.receiving(direction)
        await send(there, b"unread" * 1000)
        await sent_before_a_reset(here, DATA[:30_000])
        assert (await receive_all(here)) in {b"", b"unread" * 1000}
        assert await receive_all(there) == DATA[:20_000]


@pytest.mark.parametrize("count", BYTES)
async def test_a_reset_comes_after_no_more_than_so_many_bytes(direction: Direction, count: int) -> None:
    async with joined(always(Reset(after_bytes=count, direction=direction))) as ends, asyncio.TaskGroup() as tasks:
        here, there = ends.sending(direction), ends.receiving(direction)
        sent = tasks.create_task(sent_before_a_reset(here, DATA))
        got = bytearray()
        with pytest.raises(ConnectionResetError):
            await receive_all(there, got)
        assert DATA[:count].startswith(got)
        if await sent:
            with pytest.raises(ConnectionResetError):
                await receive_all(here)
        assert ends.state() == State.RESET


@pytest.mark.parametrize("count", BYTES)
async def test_a_stall_stops_at_exactly_so_many_bytes_and_loses_nothing(direction: Direction, count: int) -> None:
    begin = time.monotonic()
    async with joined(first(Stall(after_bytes=count, direction=direction, seconds=0.1))) as ends:
        here, there = ends.sending(direction), ends.receiving(direction)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(send(here, DATA))
            got = await receive(there, count)
            await ends.pass_by()
            assert silent(there) or time.monotonic() - begin > 0.1
            got += await receive(there, len(DATA) - count)
        assert time.monotonic() - begin > 0.1
        assert got == DATA
        assert ends.state() == State.OPEN


@pytest.mark.parametrize("count", BYTES)
async def test_half_open_forwards_nothing_more_and_ends_nothing(direction: Direction, count: int) -> None:
    async with joined(first(HalfOpen(after_bytes=count, direction=direction))) as ends:
        here, there = ends.sending(direction), ends.receiving(direction)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(sent_before_a_reset(here, DATA))
            assert await receive(there, count) == DATA[:count]
            await send(there, b"lost")
            await ends.pass_by()
            assert silent(here)
            assert silent(there)
            assert ends.state() == State.HALF_OPEN
            assert ends.relay.counts.half_open == 1
            there.shutdown(socket.SHUT_WR)
            await ends.pass_by()
            assert silent(here)
            ends.relay.cut()
            assert await receive_all(here) == b""
            assert await receive_all(there) == b""
            await sending
        assert ends.state() == State.CUT


async def test_a_connection_suffers_its_faults_one_after_the_other() -> None:
    faults: list[Fault] = [Cut(after_bytes=9), Stall(after_bytes=4, seconds=0.05), Stall(after_bytes=6, seconds=0.05)]
    begin = time.monotonic()
    async with joined(always(*faults)) as ends:
        await send(ends.server, b"0123456789")
        assert await receive_all(ends.client) == b"012345678"
        assert time.monotonic() - begin > 0.1


async def test_a_dropped_response_was_given_and_does_not_arrive() -> None:
    async with joined(always(DropResponse(request=2))) as ends:
        await send(ends.client, b"first, ")
        await send(ends.client, b"in two parts")
        assert await receive(ends.server, 19) == b"first, in two parts"
        for part in (b"an ", b"answer"):
            await send(ends.server, part)
            assert await receive(ends.client, len(part)) == part
        await send(ends.client, b"second")
        assert await receive(ends.server, 6) == b"second"
        assert silent(ends.client)
        await send(ends.server, DATA)
        assert await receive_all(ends.client) == b""
        assert await receive_all(ends.server) == b""
        assert (ends.tally.state, ends.tally.up, ends.tally.down) == (State.CUT, 25, 9)
