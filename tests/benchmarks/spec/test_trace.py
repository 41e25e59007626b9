"""Recorded traces: what is read, and what is refused with the line's number."""

from __future__ import annotations

import gzip
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streamlanes.benchmarks.spec.trace import TracedRequest, TraceError, read_trace

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"


def write(folder: Path, *lines: str, end: str = "\n") -> Path:
    path = folder / "trace.csv"
    path.write_bytes("".join(line + end for line in lines).encode())
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_reads_seven_digits_exactly(tmp_path: Path, end: str) -> None:
    path = write(
        tmp_path,
        HEADER,
        "2023-11-16 18:15:46.6805900,374,44",
        "2023-11-16 18:15:46.6805901,396,109",
        "2023-11-16 18:15:50,1,2",
        end=end,
    )
    trace = read_trace(path)
    assert trace.requests == (TracedRequest(0, 44), TracedRequest(100, 109), TracedRequest(3_319_410_000, 2))
    assert (trace.skipped, trace.out_of_order) == (0, 0)


@pytest.mark.parametrize(
    "time",
    [
        "2024-05-10 00:00:01.009930+00:00", "2024-05-10T00:00:01.00993Z", "2024-05-10t02:00:01.00993+02:00",
        "2024-05-09 19:30:01.009930-0430", "2024-05-10 01:00:01.009930+01", "2024-05-10 00:00:01.009930 UTC",
    ],
)  # fmt: skip
def test_times_of_other_traces(tmp_path: Path, time: str) -> None:
    """As in Azure's traces of 2024, and as ISO 8601 has them."""
    path = write(tmp_path, HEADER, "2024-05-10 00:00:00+00:00,2162,5", f"{time},2399,6")
    assert read_trace(path).requests == (TracedRequest(0, 5), TracedRequest(1_009_930_000, 6))


def test_a_gzipped_trace_with_further_columns(tmp_path: Path) -> None:
    text = f"\ufeffModel,{HEADER},Note\nm,2024-05-10 00:00:00.5+00:00,1,5,\nm,2024-05-10 00:00:01+00:00,1,6,a note\n"
    path = tmp_path / "trace.csv.gz"
    path.write_bytes(packed := gzip.compress(text.encode()))
    assert read_trace(path).requests == (TracedRequest(0, 5), TracedRequest(500_000_000, 6))
    path.write_bytes(packed[:-9])
    with pytest.raises(TraceError, match="the gzipped file is damaged"):
        read_trace(path)


def test_a_pipe_is_read_too(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = f"{HEADER}\n2024-05-10 00:00:00Z,1,5\n".encode()
    with ThreadPoolExecutor(1) as pool:
        for content in (text, gzip.compress(text)):
            writing = pool.submit(pipe.write_bytes, content)
            assert read_trace(pipe).requests == (TracedRequest(0, 5),)
            writing.result(10)


def test_a_speed_at_which_nothing_comes_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, "2024-05-10 00:00:00Z,1,5", "2024-05-10 00:00:01Z,1,5")
    with pytest.raises(TraceError, match=r"at a speed of .* its requests never come"):
        read_trace(path, speed=1e-320)


def test_last_line_without_end_and_other_column_order(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("GeneratedTokens,TIMESTAMP,ContextTokens\n7,2023-11-16 00:00:00.5,1\n\n8,2023-11-17 00:00:00.25,1")
    assert read_trace(path).requests == (TracedRequest(0, 7), TracedRequest(86_399_750_000_000, 8))


def test_speed_divides_arrival_times_only(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, "2023-11-16 18:00:00.0,1,10", "2023-11-16 18:00:05.0,1,20")
    assert read_trace(path, speed=10).requests == (TracedRequest(0, 10), TracedRequest(500_000_000, 20))


def test_limit_takes_the_first(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, *(f"2023-11-16 18:00:0{second}.0,1,{second + 1}" for second in range(5)))
    assert [request.tokens for request in read_trace(path, limit=2).requests] == [1, 2]


def test_out_of_order_times_are_sorted_and_told(tmp_path: Path) -> None:
    path = write(
        tmp_path, HEADER, "2023-11-16 18:00:02.0,1,2", "2023-11-16 18:00:01.0,1,1", "2023-11-16 18:00:03.0,1,3"
    )
    trace = read_trace(path)
    assert trace.requests == (TracedRequest(0, 1), TracedRequest(1_000_000_000, 2), TracedRequest(2_000_000_000, 3))
    assert trace.out_of_order == 1


def test_requests_without_tokens_are_skipped_and_told(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER, "2023-11-16 18:00:01.0,1,0", "2023-11-16 18:00:03.0,1,5")
    trace = read_trace(path)
    assert trace.requests == (TracedRequest(2_000_000_000, 5),)  # the first request's time remains the start
    assert trace.skipped == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2023-11-16 18:15:46.6805900,374", "expected 3 fields, found 2"),
        ("2023-11-16 18:15:46.6805900,374,1,2", "expected 3 fields, found 4"),
        ("16.11.2023 18:15,374,44", "expected TIMESTAMP to look like"),
        ("2023-02-31 18:15:46,374,44", "expected TIMESTAMP to look like"),
        ("2023-11-16 18:15:46.1234567890,374,44", "expected TIMESTAMP to look like"),
        ("2023-11-16 18:15:46,374,x", "expected GeneratedTokens to be a whole number"),
        ("2023-11-16 18:15:46,374,-1", "expected GeneratedTokens to be a whole number"),
        ("2023-11-16 18:15:46,1.5,4", "expected ContextTokens to be a whole number"),
        ("2023-11-16 18:15:46,1,100001", "makes 100000 at most"),
    ],
)
def test_malformed_line_is_named(tmp_path: Path, line: str, expected: str) -> None:
    path = write(tmp_path, HEADER, "2023-11-16 18:15:46.6805900,374,44", line, end="\r\n")
    with pytest.raises(TraceError) as raised:
        read_trace(path)
    assert str(raised.value).startswith(f"{path}, line 3: ")
    assert expected in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"a,b,c\n1,2,3\n", b"TIMESTAMP,GeneratedTokens\n"])
def test_missing_columns(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "trace.csv"
    path.write_bytes(content)
    with pytest.raises(TraceError, match="line 1: expected the columns TIMESTAMP,ContextTokens,GeneratedTokens"):
        read_trace(path)


@pytest.mark.parametrize("lines", [[HEADER], [HEADER, "2023-11-16 18:15:46,1,0"]])
def test_nothing_to_stream(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(TraceError, match="nothing to stream"):
        read_trace(write(tmp_path, *lines))


def test_not_text_and_not_there(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TraceError, match="not a CSV text file"):
        read_trace(path)
    with pytest.raises(TraceError, match="No such file"):
        read_trace(tmp_path / "absent.csv")
