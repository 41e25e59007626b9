from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streamlanes.producers import replay
from streamlanes.producers.catalogue import PRODUCERS, with_recordings
from streamlanes.producers.events import Item
from streamlanes.producers.producer import Context
from streamlanes.producers.replay import RecordedLine, Recording, RecordingError, read_recording

RECORDING = Recording(
    (RecordedLine(0, "message", "a"), RecordedLine(0, "note", [1]), RecordedLine(2_500_000_000, "message", None))
)


def written(folder: Path, *lines: str) -> Path:
    path = folder / "talk.jsonl"
    path.write_text("\n".join(lines), newline="")
    return path


async def replayed(**params: object) -> list[Item]:
    producer = with_recordings({"talk": RECORDING})["replay"]
    return [item async for item in producer.start({"recording": "talk", **params}, Context(start_ns=7))]


@pytest.mark.parametrize("first", [0, -3.5, 1_700_000_000.25])
def test_a_recording_is_read_with_its_times_from_the_first_event_on(tmp_path: Path, first: float) -> None:
    path = written(
        tmp_path,
        f'\ufeff{{"at": {first}, "data": "a"}}\r',
        f'{{"data": [1], "type": "note", "at": {first}}}',
        "",
        f'{{"at": {first + 2.5}, "data": null}}',
        "",
    )
    assert read_recording(path) == RECORDING


@given(values=st.lists(st.text() | st.integers() | st.lists(st.booleans()), min_size=1))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, values: list[object]) -> None:
    path = tmp_path_factory.mktemp("recording") / "talk.jsonl"
    lines = [json.dumps({"at": n / 8, "data": value}, ensure_ascii=True) for n, value in enumerate(values)]
    path.write_text("\n".join(lines), encoding="utf-8")
    read = read_recording(path).events
    assert [event.value for event in read] == values
    assert [event.after_ns for event in read] == [n * 125_000_000 for n in range(len(values))]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{", "expected a JSON object"),
        ("[" * 100_000, "expected a JSON object"),
        ("[1]", "expected an object with `at` and `data`"),
        ('{"at": 3}', "expected an object with `at` and `data`"),
        ('{"data": 3}', "expected an object with `at` and `data`"),
        ('{"at": 3, "data": 1, "tpye": "x"}', "expected `at`, `type` and `data` only; found tpye"),
        ('{"at": "3", "data": 1}', "expected `at` to be a number"),
        ('{"at": true, "data": 1}', "expected `at` to be a number"),
        ('{"at": NaN, "data": 1}', "expected `at` to be a number"),
        ('{"at": 1e999, "data": 1}', "expected `at` to be a number"),
        ('{"at": 1' + "0" * 400 + ', "data": 1}', "expected `at` to be a number"),
        ('{"at": 1, "data": 1}', "expected `at` not to be before the line above; found 1.0 after 2.0"),
        ('{"at": 1e9, "data": 1}', "expected 2,678,400 seconds at most"),
        ('{"at": 3, "type": 1, "data": 1}', "expected `type` to be a text"),
        ('{"at": 3, "type": "stream-end", "data": 1}', "can't be an event's type"),
        ('{"at": 3, "data": NaN}', "expected an event that can be sent"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path: Path, line: str, expected: str) -> None:
    path = written(tmp_path, '{"at": 2, "data": 0}', "", line)
    with pytest.raises(RecordingError) as told:
        read_recording(path)
    assert str(told.value).startswith(f"{path}, line 3: ")
    assert expected in str(told.value)
    assert len(str(told.value)) < 400


def test_bytes_that_are_not_utf8_are_said_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    path.write_bytes(b'{"at": 2, "data": 0}\n{"at": 2, "data": "\xff"}\n')
    with pytest.raises(RecordingError, match=r"line 2: expected a JSON object in UTF-8"):
        read_recording(path)


def test_files_that_are_no_recordings_are_said(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="expected lines such as"):
        read_recording(written(tmp_path, "", ""))
    with pytest.raises(RecordingError, match="can't read"):
        read_recording(tmp_path)
    with pytest.raises(RecordingError, match=r"nothing\.jsonl"):
        read_recording(tmp_path / "nothing.jsonl")


def test_a_recording_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, *['{"at": 2, "data": 0}'] * 3)
    monkeypatch.setattr(replay, "MAX_EVENTS", 2)
    with pytest.raises(RecordingError, match="line 3: expected 2 events at most"):
        read_recording(path)
    monkeypatch.setattr(replay, "MAX_BYTES", 61)
    with pytest.raises(RecordingError, match="expected 61 bytes at most"):
        read_recording(path)
    with pytest.raises(RecordingError, match="bytes at most"):
        read_recording(Path("/dev/zero"))  # which never ends


async def test_events_are_due_at_their_times_from_the_streams_start() -> None:
    assert await replayed() == [Item("a", "message", 7), Item([1], "note", 7), Item(None, "message", 2_500_000_007)]


@pytest.mark.parametrize(("speed", "due"), [(10, 250_000_007), (0.5, 5_000_000_007)])
async def test_speed_divides_the_times(speed: float, due: int) -> None:
    assert [item.due_ns for item in await replayed(speed=speed)] == [7, 7, due]


async def test_limit_takes_the_first_events() -> None:
    assert [item.value for item in await replayed(limit=2)] == ["a", [1]]
    assert len(await replayed(limit=1000)) == 3


@pytest.mark.parametrize("speed", [0, -1, "nan", 1e7])
def test_speeds_out_of_bounds_are_named(speed: object) -> None:
    producer = with_recordings({"talk": RECORDING})["replay"]
    with pytest.raises(ValidationError) as told:
        producer.start({"recording": "talk", "speed": speed}, Context(start_ns=0))
    assert told.value.errors()[0]["loc"] == ("speed",)


def test_unknown_recordings_are_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValidationError, match="there are talk, walk"):
        with_recordings({"walk": RECORDING, "talk": RECORDING})["replay"].params.model_validate({"recording": "x"})
    with pytest.raises(ValidationError, match="the server has none"):
        PRODUCERS["replay"].params.model_validate({"recording": "talk"})
