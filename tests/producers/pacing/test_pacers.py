"""The pacer's process: real ones, over real sockets."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlanes.producers.errors import PacerLost
from streamlanes.producers.events import Item, Outcome
from streamlanes.producers.pacing.pacer_process import RECORD, REQUEST, SHORT_NS, Timetable
from streamlanes.producers.pacing.pacers import PipePacer
from streamlanes.producers.producer import Context, Params, Producer
from streamlanes.transports.service.service import StreamService

MS = 1_000_000
FAR_NS = 3600 * 10**9

DUE = st.integers(0, 2**62)


@contextmanager
def pacer_process() -> Iterator[tuple[socket.socket, subprocess.Popen[bytes]]]:
    """Run a pacer; gives the server's end of its sockets. The process has ended when the block has."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            command = [sys.executable, "-P", "-m", "streamlanes.producers.pacing.pacer_process", str(theirs.fileno())]
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        try:
            yield ours, process
        finally:
            process.kill()
            process.wait(10)


@contextmanager
def pacing() -> Iterator[tuple[PipePacer, subprocess.Popen[bytes]]]:
    with pacer_process() as (ours, process):
        pacer = PipePacer(ours)
        try:
            yield pacer, process
        finally:
            pacer.close()


async def until_asked(pacer: PipePacer, waits: int) -> None:
    """Return when so many wait and all requests have been handed to the system."""
    async with asyncio.timeout(10):
        while len(pacer._waiting) < waits or pacer._unsent:
            await asyncio.sleep(0)


def read_records(server: socket.socket, number: int) -> list[tuple[int, int, int]]:
    server.settimeout(10)
    data = b""
    while len(data) < number * RECORD.size:
        chunk = server.recv(65_536)
        assert chunk
        data += chunk
    return [(number, due, woke) for number, due, woke in RECORD.iter_unpack(data)]


@given(dues=st.lists(DUE, max_size=20), cuts=st.lists(st.integers(0, 320), max_size=5), now=DUE)
def test_requests_may_be_cut_anywhere(dues: list[int], cuts: list[int], now: int) -> None:
    timetable = Timetable()
    requests = b"".join(REQUEST.pack(number, due) for number, due in enumerate(dues))
    for begin, end in pairwise([0, *sorted(cuts), len(requests)]):
        timetable.feed(requests[begin:end])
    taken = timetable.take(now) + timetable.take(2**62)
    in_order = sorted((due, number) for number, due in enumerate(dues))
    assert list(RECORD.iter_unpack(taken)) == [(number, due, now if due <= now else 2**62) for due, number in in_order]


@given(left=DUE)
def test_sleeps_are_never_too_long_and_few(left: int) -> None:
    timetable = Timetable()
    timetable.feed(REQUEST.pack(1, left))
    now = sleeps = 0
    while left - now > 1_000:
        seconds = timetable.sleep(now)
        assert seconds is not None
        asleep = round(seconds * 1e9)
        assert 0 < asleep <= max(left - now, 1) * (1 + 1e-12)
        assert asleep <= SHORT_NS or asleep <= (left - now) * 0.9  # select(2) may oversleep by 0.1 %
        now += asleep
        sleeps += 1
    assert sleeps < 20


def test_nothing_to_do_is_no_reason_to_wake_up() -> None:
    timetable = Timetable()
    assert timetable.sleep(5) is None
    timetable.feed(REQUEST.pack(1, 3))
    assert timetable.sleep(5) == 0


def test_records_come_in_the_order_of_due_times_and_never_early() -> None:
    with pacer_process() as (server, _):
        now = time.monotonic_ns()
        dues = [now + n * 3 * MS for n in (9, 2, 7, 7, 0, 4)]
        server.sendall(b"".join(REQUEST.pack(number, due) for number, due in enumerate(dues)))
        records = read_records(server, len(dues))
        read_at = time.monotonic_ns()
    assert [number for number, _, _ in records] == [4, 1, 5, 2, 3, 0]
    assert all(due == dues[number] and due <= woke <= read_at for number, due, woke in records)


def test_what_is_due_together_is_written_together() -> None:
    with pacer_process() as (server, _):
        due = time.monotonic_ns() + 300 * MS
        server.sendall(b"".join(REQUEST.pack(number, due - number) for number in range(500)))
        server.settimeout(10)
        records = list(RECORD.iter_unpack(server.recv(65_536)))
    assert len(records) == 500
    assert len({woke for _, _, woke in records}) == 1


def test_the_pacer_goes_when_the_server_has() -> None:
    with pacer_process() as (server, process):
        server.sendall(REQUEST.pack(1, 0))
        read_records(server, 1)  # it runs
        server.sendall(REQUEST.pack(2, time.monotonic_ns() + FAR_NS))
        server.close()
        assert process.wait(10) == 0


def test_the_pacer_goes_when_the_server_left_answers_unread() -> None:
    with pacer_process() as (server, process):
        server.sendall(REQUEST.pack(1, 0) * 2)
        server.settimeout(10)
        server.recv(1)
        server.close()
        assert process.wait(10) == 0


def test_a_server_that_does_not_read_keeps_the_pacer_from_nothing() -> None:
    """More than a socket holds is due before the server reads any of it."""
    number = 50_000
    with pacer_process() as (server, _):
        due = time.monotonic_ns() + 1
        server.settimeout(10)
        for n in range(number):  # blocks, and times out, if the pacer has stopped reading
            server.send(REQUEST.pack(n, due))
        records = read_records(server, number)
    assert [record[0] for record in records] == list(range(number))


async def test_waits_end_in_order_with_the_pacers_time() -> None:
    with pacing() as (pacer, _):
        now = time.monotonic_ns()
        ended: list[int] = []

        async def wait(due: int) -> None:
            woke = await pacer.wait_until(due)
            assert due <= woke <= time.monotonic_ns()
            ended.append(due)

        dues = [now + n * MS for n in (150, 130, 200, 140)]
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            for due in dues:
                tasks.create_task(wait(due))
        assert ended == sorted(dues)


async def test_what_has_passed_is_not_waited_for() -> None:
    with pacing() as (pacer, process):
        process.kill()
        process.wait(10)
        assert await pacer.wait_until(1) > 1


async def test_waits_for_one_time_end_together() -> None:
    with pacing() as (pacer, _):
        due = time.monotonic_ns() + 300 * MS
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            waits = [tasks.create_task(pacer.wait_until(due)) for _ in range(200)]
            await waits[0]
            await asyncio.sleep(0)
            assert all(wait.done() for wait in waits)
        assert len({wait.result() for wait in waits}) == 1


async def test_thousands_of_requests_neither_block_nor_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the sockets hold, of which the pacer reads nothing until all are asked for."""
    number = 20_000
    with pacing() as (pacer, process):
        process.send_signal(signal.SIGSTOP)
        now = time.monotonic_ns()
        dues = [now + 100 * MS + n * 7919 % number * 10_000 for n in range(number)]
        # However long asking takes, none is due before it is asked for.
        monkeypatch.setattr("streamlanes.producers.pacing.pacers.time", SimpleNamespace(monotonic_ns=lambda: now))
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            waits = [tasks.create_task(pacer.wait_until(due)) for due in dues]
            while len(pacer._waiting) < number or len(pacer._unsent) == number * REQUEST.size:
                await asyncio.sleep(0)
            assert pacer._unsent  # the sockets are full, and the loop goes on
            process.send_signal(signal.SIGCONT)
        assert all(wait.result() >= due for due, wait in zip(dues, waits, strict=True))
        assert not pacer._waiting
        assert not pacer._unsent


async def test_records_may_be_cut_anywhere() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        pacer = PipePacer(ours)
        due = time.monotonic_ns() + FAR_NS
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            waits = [tasks.create_task(pacer.wait_until(due)) for _ in range(2)]
            await until_asked(pacer, 2)
            requests = list(REQUEST.iter_unpack(theirs.recv(65_536)))
            records = b"".join(RECORD.pack(number, due, due + number) for number, _ in requests)
            theirs.send(records[:30])
            await waits[0]
            assert not waits[1].done()
            theirs.send(records[30:])
        assert [wait.result() - due for wait in waits] == [number for number, _ in requests]
        pacer.close()


async def test_cancelled_waits_are_forgotten_and_the_others_go_on() -> None:
    with pacing() as (pacer, _):
        due = time.monotonic_ns() + 200 * MS
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            cancelled = [tasks.create_task(pacer.wait_until(due - n)) for n in range(50)]
            kept = tasks.create_task(pacer.wait_until(due))
            await until_asked(pacer, 51)
            for wait in cancelled:
                wait.cancel()
            await asyncio.wait(cancelled)
            assert len(pacer._waiting) == 1
            assert await kept >= due  # its record comes after those that nobody waits for
        assert all(wait.cancelled() for wait in cancelled)
        assert not pacer._waiting


async def test_who_waits_is_told_when_the_pacer_dies_and_who_comes_later_too() -> None:
    with pacing() as (pacer, process):
        async with asyncio.timeout(10):
            waits = [asyncio.create_task(pacer.wait_until(time.monotonic_ns() + FAR_NS)) for _ in range(3)]
            await until_asked(pacer, 3)
            process.kill()
            for result in await asyncio.gather(*waits, return_exceptions=True):
                assert isinstance(result, PacerLost)
            with pytest.raises(PacerLost, match="another one"):
                await pacer.wait_until(time.monotonic_ns() + FAR_NS)
        assert not pacer._waiting


async def test_streams_fail_when_the_pacer_dies() -> None:
    async def produce(params: Params, context: Context) -> AsyncGenerator[Item, None]:
        yield Item("now", due_ns=context.start_ns)
        yield Item("never", due_ns=context.start_ns + FAR_NS)

    producers = {"slow": Producer("slow", Params, produce)}
    with pacing() as (pacer, process):
        async with asyncio.timeout(10), StreamService(producers=producers, pacer=pacer) as service:
            sessions = [await service.start("slow", {}) for _ in range(3)]
            await until_asked(pacer, 3)
            process.kill()
            for session in sessions:
                batch = await service.read(session.id, session.cursor, limit=9, max_bytes=999, wait=5)
                assert [event.data for event in batch.events] == ['"now"']
                end = await service.read(session.id, batch.cursor, limit=9, max_bytes=999, wait=5)
                assert end.outcome is Outcome.FAILED
