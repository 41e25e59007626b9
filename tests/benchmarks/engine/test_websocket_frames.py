"""The engine's WebSocket frames: any chunking gives the same messages; what a server may not send is a fault."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode

from streamlanes.benchmarks.engine.decoding import decoder as decoding
from streamlanes.benchmarks.engine.decoding.decoder import ReadingFailed
from streamlanes.benchmarks.engine.decoding.json_message import EVENT_MESSAGE
from streamlanes.benchmarks.engine.decoding.uniform_runs import UniformRun
from streamlanes.benchmarks.engine.decoding.websocket_frames import Frames
from tests.benchmarks.engine.test_decoders import CUTS, split

MESSAGES = st.lists(st.binary(max_size=300) | st.just(b"x" * 70_000), max_size=6)


def frame(opcode: Opcode, payload: bytes, *, fin: bool = True) -> bytes:
    """Serialise by a library of its own, so that the two can't be wrong in the same way."""
    return Frame(opcode, payload, fin).serialize(mask=False)


def wire(messages: list[bytes]) -> bytes:
    parts = [frame(Opcode.PING, b"are you there")]
    for message in messages:
        half = len(message) // 2
        parts += [frame(Opcode.TEXT, message), frame(Opcode.TEXT, message[:half], fin=False)]
        parts += [frame(Opcode.PONG, b""), frame(Opcode.CONT, b"", fin=False), frame(Opcode.CONT, message[half:])]
    return b"".join(parts) + frame(Opcode.CLOSE, Close(1001, "draining").serialize())


@given(messages=MESSAGES, cuts=CUTS)
def test_split_anywhere(messages: list[bytes], cuts: list[int]) -> None:
    frames = Frames()
    received = [message for chunk in split(wire(messages), cuts) for message in frames.feed(chunk)]
    assert received == [message for message in messages for _ in range(2)]
    assert frames.pings == [b"are you there"]
    assert frames.closed == (1001, "draining")


@given(sizes=st.lists(st.sampled_from([0, 125, 126, 200, 300, 65_535, 65_536]), max_size=8), cuts=CUTS)
def test_nothing_but_messages_split_anywhere(sizes: list[int], cuts: list[int]) -> None:
    messages = [bytes([ord("a") + n]) * size for n, size in enumerate(sizes)]
    content = b"".join(frame(Opcode.TEXT, message) for message in messages)
    frames = Frames()
    assert [message for chunk in split(content, cuts) for message in frames.feed(chunk)] == messages


def test_byte_by_byte() -> None:
    frames = Frames()
    content = wire([b"a" * 130, b""])
    received = [message for i in range(len(content)) for message in frames.feed(content[i : i + 1])]
    assert received == [b"a" * 130] * 2 + [b""] * 2


@given(
    sizes=st.lists(st.tuples(st.integers(120, 400), st.integers(1, 90)), min_size=1, max_size=5),
    first=st.sampled_from([1, 8, 95, 99_990]),
    odd=st.sampled_from([b'{"control":"ping"}', b'{"id":"e:7","type":"t","data":1}' + b" " * 120, b"x" * 300]),
    cuts=CUTS,
)
def test_events_that_are_alike_come_as_runs_and_are_the_same(
    sizes: list[tuple[int, int]], first: int, odd: bytes, cuts: list[int]
) -> None:
    messages: list[bytes] = []
    for size, count in sizes:
        messages += [b'{"id":"e:%d","data":"%b"}' % (first + n, b"y" * size) for n in range(count)]
        messages.append(odd)
    content = b"".join(frame(Opcode.TEXT, message) for message in messages)
    found: list[tuple[int, bytes]] = []
    others: list[bytes] = []
    frames = Frames()
    for chunk in split(content, cuts):
        for message in frames.feed(chunk):
            if isinstance(message, UniformRun):
                assert message.epoch == b"e"
                found += zip(message.offsets, message.text.split(b"\n"), strict=True)
            elif (event := EVENT_MESSAGE.fullmatch(message)) is not None and message != odd:
                found.append((int(event[2]), event[3]))
            else:
                others.append(message)
    expected = [(first + n, b'"%b"' % (b"y" * size)) for size, count in sizes for n in range(count)]
    assert found == expected
    assert others == [odd] * len(sizes)


def test_a_long_row_of_events_is_a_run() -> None:
    content = b"".join(frame(Opcode.TEXT, b'{"id":"e:%d","data":"%b"}' % (n, b"y" * 128)) for n in range(100, 200))
    (run,) = Frames().feed(content)
    assert isinstance(run, UniformRun)
    assert run.offsets.tolist() == list(range(100, 200))


def test_a_close_without_a_code() -> None:
    frames = Frames()
    assert frames.feed(frame(Opcode.CLOSE, b"")) == []
    assert frames.closed == (1005, "")


@pytest.mark.parametrize(
    "content",
    [
        b"\x81\x81\x00\x00\x00\x00x",
        frame(Opcode.BINARY, b"x"),
        frame(Opcode.CONT, b"x"),
        frame(Opcode.TEXT, b"x", fin=False) + frame(Opcode.TEXT, b"y"),
        frame(Opcode.CLOSE, b"") + frame(Opcode.TEXT, b"x"),
        frame(Opcode.TEXT, b"x", fin=False) + frame(Opcode.TEXT, b"y" * 200),
        frame(Opcode.CLOSE, b"") + frame(Opcode.TEXT, b"x" * 200),
        b"\xc1\x01x",
    ],
)
def test_faults(content: bytes) -> None:
    with pytest.raises(ReadingFailed):
        Frames().feed(content)


@pytest.mark.parametrize("in_parts", [False, True])
def test_a_message_that_does_not_end_is_the_lanes_fault(monkeypatch: pytest.MonkeyPatch, *, in_parts: bool) -> None:
    monkeypatch.setattr(decoding, "LONGEST", 300_000)
    part = b"x" * 100_000
    content = frame(Opcode.TEXT, part, fin=False) + frame(Opcode.CONT, part, fin=False) * 3
    frames = Frames()
    with pytest.raises(ReadingFailed, match="didn't end"):
        frames.feed(content if in_parts else frame(Opcode.TEXT, part * 4)[:1000])
