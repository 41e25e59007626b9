"""Frames as no client sends them. The server goes on, and keeps nothing."""

from __future__ import annotations

import asyncio
import logging
import tracemalloc
from contextlib import AsyncExitStack
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamlanes.contract.sources import sources
from streamlanes.producers.errors import UnknownStream
from streamlanes.transports import Settings, SharedStream, StreamService
from tests.guarantees.readers import connect
from tests.guarantees.wires import UPGRADE, connected, frame, get, rest, served, start, status_of, tasks, until

HANDSHAKE: Final = get("/ws/a", UPGRADE)


def new_service() -> StreamService:
    return StreamService(
        producers=sources(),
        shared=[SharedStream(name="a", producer="silent")],
        settings=Settings(max_message_bytes=1000, max_body_bytes=5000),
    )


BROKEN: Final = {
    "unmasked": (frame(1, b"1", mask=False), 1002),
    "reserved bit": (frame(1, b"1", rsv=4), 1002),
    "compressed, which wasn't agreed on": (frame(1, b"\x00", rsv=4), 1002),
    "reserved data opcode": (frame(3, b"1"), 1002),
    "reserved control opcode": (frame(11, b"1"), 1002),
    "control frame too long": (frame(9, b"x" * 126), 1002),
    "control frame in pieces": (frame(9, b"x", fin=False), 1002),
    "continuation of nothing": (frame(0, b"x"), 1002),
    "text within a text": (frame(1, b"x", fin=False) + frame(1, b"y"), 1002),
    "invalid UTF-8": (frame(1, b"\xff\xfe"), 1007),
    "UTF-8 cut by the end": (frame(1, b"\xe2\x82", fin=False) + frame(0, b""), 1007),
    "too long": (frame(1, b"x" * 5001), 1009),
    "too long in pieces": (frame(1, b"x" * 3000, fin=False) + frame(0, b"x" * 3000, fin=False), 1009),
    "length of 2**62": (b"\x81\xff" + (1 << 62).to_bytes(8) + b"abcd", 1009),
    "close with half a code": (frame(8, b"\x03"), 1002),
    "close with a code that isn't one": (frame(8, (999).to_bytes(2)), 1002),
    "close with a reason that isn't UTF-8": (frame(8, (1000).to_bytes(2) + b"\xff"), 1007),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_frame_closes_with_its_code(name: str, caplog: pytest.LogCaptureFixture) -> None:
    data, code = BROKEN[name]
    service = new_service()
    async with served(service) as (url, http):
        async with connected(url, HANDSHAKE) as (reader, writer):
            assert await status_of(reader) == 101
            writer.write(data)
            received = await rest(reader)
            assert b"\x88" in received
            assert code.to_bytes(2) in received
        await until(lambda: not service.connections)
        assert (await http.get("/poll/a?wait=0")).status_code == 200
    wrong = [record for record in caplog.records if record.exc_info or record.levelno >= logging.WARNING]
    assert [record for record in wrong if "wraps ASGI's" not in record.msg] == []


GOOD: Final = st.sampled_from(
    [
        frame(1, b"1"), frame(2, b"1"), frame(1, b""), frame(9), frame(9, b"x" * 125), frame(10, b"?"),
        frame(1, b'"', fin=False) + frame(9, b"!") + frame(0, b"", fin=False) + frame(0, b'"'),
        frame(2, b"\xff", fin=False) + frame(0, b"\xff"), frame(1, b"x" * 2000), frame(8, (1000).to_bytes(2) + b"bye"),
    ]
)  # fmt: skip
ANY: Final = st.builds(
    frame,
    st.integers(0, 15),
    st.binary(max_size=130),
    fin=st.booleans(),
    mask=st.sampled_from([True, True, True, False]),
    rsv=st.sampled_from([0, 0, 0, 1, 4]),
)
PIECES: Final = GOOD | ANY | st.sampled_from([data for data, _ in BROKEN.values()]) | st.binary(max_size=20)
SESSIONS: Final = st.lists(st.lists(PIECES, max_size=6).map(b"".join), min_size=5, max_size=10)


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(SESSIONS)
async def test_no_frames_end_the_server(sessions: list[bytes]) -> None:
    service = new_service()
    errors = Errors()
    async with served(service) as (url, http):
        before = tasks()
        for data in sessions:
            async with connected(url, HANDSHAKE + data[: len(data) // 2], data[len(data) // 2 :]) as (reader, _):
                assert await status_of(reader) == 101
                await reader.read(100)
        await until(lambda: not service.connections)
        await until(lambda: tasks() <= before)
        assert (await http.get("/poll/a?wait=0")).status_code == 200
        assert service.sessions["a"].readers == 0
    errors.check()


class Errors(logging.Handler):
    """Notes errors of any logger from its creation on."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.noted: list[str] = []
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Note it."""
        self.noted.append(f"{record.getMessage()} {record.exc_info}")

    def check(self) -> None:
        """Raise AssertionError if there were any."""
        logging.getLogger().removeHandler(self)
        assert self.noted == []


async def test_half_a_handshake_leaves_nothing() -> None:
    service, errors = new_service(), Errors()
    async with served(service) as (url, http):
        before = tasks()
        for cut in range(len(HANDSHAKE) + 1):
            async with connected(url, HANDSHAKE[:cut]):
                pass
        await until(lambda: not service.connections)
        await until(lambda: tasks() <= before)
        assert (await http.get("/poll/a?wait=0")).status_code == 200
    errors.check()


async def test_many_small_fragments_and_pings_take_no_memory() -> None:
    """A list of a million one-byte fragments would be 40 MB; pongs for who doesn't read grow without end."""
    service = new_service()
    service.settings = service.settings.model_copy(update={"max_body_bytes": 1 << 20})
    async with served(service) as (url, _), AsyncExitStack() as stack:
        tracemalloc.start()
        stack.callback(tracemalloc.stop)
        _, writer = await stack.enter_async_context(connected(url, HANDSHAKE))
        await until(lambda: len(service.connections) == 1)
        held, _ = tracemalloc.get_traced_memory()
        writer.write(frame(1, b"", fin=False))
        for _ in range(100):
            writer.write((frame(0, b"", fin=False) * 9 + frame(0, b"x", fin=False)) * 50)
            await writer.drain()
        writer.write(frame(9, b"x" * 125))
        await writer.drain()
        now, _ = tracemalloc.get_traced_memory()
        assert now - held < 3_000_000
    assert not service.connections


async def test_many_small_messages_of_one_who_does_not_read_take_little_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One read brings 40,000 of them; taken apart, they are more than a hundred times its size."""
    backlog = SharedStream(name="a", producer="ticker", params={"arrivals": "at-once", "count": 2000, "size": 4096})
    service = StreamService(shared=[backlog])
    flood = frame(1, b"1") * 1_000_000
    async with served(service) as (url, _), AsyncExitStack() as stack:
        sock = stack.enter_context(connect(url, HANDSHAKE))
        sock.setblocking(False)
        await until(lambda: any(connection.blocked_since for connection in service.connections))  # and will be for ever
        refused = 0

        def refuse(_: str, __: object) -> None:
            nonlocal refused
            refused += 1
            raise UnknownStream("as ever")

        monkeypatch.setattr(service, "send", refuse)
        tracemalloc.start()
        stack.callback(tracemalloc.stop)
        held, _ = tracemalloc.get_traced_memory()
        flooding = asyncio.create_task(asyncio.get_running_loop().sock_sendall(sock, flood))
        before = -1
        while before < refused:  # until no more are taken in
            before = refused
            await asyncio.sleep(0.3)
        _, most = tracemalloc.get_traced_memory()
        flooding.cancel()
        assert 0 < refused < 10_000
        assert most - held < 2_000_000
    assert not service.connections


@pytest.mark.parametrize("end", ["close", "cut"])
async def test_all_of_many_small_messages_arrive(end: str) -> None:
    """Also those that wait to be taken apart when their sender leaves."""
    service = StreamService(producers=sources(), settings=Settings(max_inbox=20_000))
    async with served(service) as (url, http):
        session = service.sessions[await start(http, "silent")]
        messages = b"".join(frame(1, str(n).encode()) for n in range(15_000))
        async with connected(url, get(f"/ws/{session.id}", UPGRADE)) as (reader, writer):
            assert await status_of(reader) == 101
            writer.write(messages + (frame(8, (1000).to_bytes(2)) if end == "close" else b""))
            writer.write_eof()
            await rest(reader)
        await until(lambda: not service.connections)
        assert [await session.inbox.get() for _ in range(15_000)] == list(range(15_000))
