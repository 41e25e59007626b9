"""The engine's reader of one stream: what goes wrong is in its record, and it never waits for ever."""

from __future__ import annotations

import asyncio
import io
import sys
import time
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from benchmarks.engine.__main__ import main
from yarl import URL

from benchmarks.engine.decoding import Events, Fault
from benchmarks.engine.load import Load
from benchmarks.engine.recorder import Recorder
from benchmarks.engine.sending import Sender
from benchmarks.records import Spec, dump_spec
from producers.wire import Wire

FAKE: Final = Wire("fake")
Reading = Callable[[Recorder], Awaitable[None]]


@dataclass
class FakeReader:
    """A wire that does as it is told."""

    reading: Reading
    wire: Wire = FAKE
    way_up: str | None = None

    async def read(
        self, http: aiohttp.ClientSession, url: URL, recorder: Recorder, sender: Sender | None = None
    ) -> None:
        await self.reading(recorder)


def spec(folder: Path, deadline: float = 10.0, seconds: float = 0.0) -> Spec:
    return Spec(
        folder=folder,
        url="http://127.0.0.1:9",
        lane="fake",
        wire="fake",
        server_pid=None,
        deadline=deadline,
        seconds=seconds,
    )


async def good(recorder: Recorder) -> None:
    recorder.take(time.monotonic_ns(), Events([1, 2], [b"1", b"2"]))
    recorder.take(time.monotonic_ns(), Events([], []))
    recorder.take(time.monotonic_ns(), Events([3], [b"3"]))
    await asyncio.sleep(0)


async def hanging(recorder: Recorder) -> None:
    await asyncio.get_running_loop().create_future()


async def faulty(recorder: Recorder) -> None:
    raise Fault("nonsense")


async def cut(recorder: Recorder) -> None:
    raise aiohttp.ServerDisconnectedError


async def test_a_reader_records_two_integers_an_event_and_a_checksum(tmp_path: Path) -> None:
    load = Load(spec(tmp_path), FakeReader(good))
    engine = await load.run()
    (reader,) = engine.readers
    assert (reader.events, reader.checksum, reader.error) == (3, zlib.crc32(b"1\n2\n3\n"), None)
    (column,) = (recorder.column for recorder in load.recorders)
    assert list(column.offsets) == [1, 2, 3]
    first, second, third = column.received
    assert engine.samples[0].at_ns <= first == second <= third <= engine.samples[-1].at_ns
    assert engine.samples[0].server == (None, None)


async def test_the_stream_is_read_again_until_there_is_time_enough(tmp_path: Path) -> None:
    engine = await Load(spec(tmp_path, seconds=0.02), FakeReader(good)).run()
    assert len(engine.readers) > 1
    assert engine.window_ns >= 20_000_000


@pytest.mark.parametrize(
    ("reading", "error"),
    [
        (hanging, "the stream didn't end by the trial's deadline"),
        (faulty, "nonsense"),
        (cut, "Server disconnected"),
    ],
)
async def test_faults_are_recorded(tmp_path: Path, reading: Reading, error: str) -> None:
    engine = await Load(spec(tmp_path, deadline=0.05, seconds=5), FakeReader(reading)).run()
    assert [reader.error for reader in engine.readers] == [error]


def test_a_wire_that_the_engine_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(dump_spec(spec(tmp_path)))))
    assert main() == 1
    assert "no reader for the wire 'fake'" in capsys.readouterr().err
