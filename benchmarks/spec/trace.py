"""Recorded traces of LLM requests, as the Azure Public Dataset has them.

CSV, gzipped or not, with the columns TIMESTAMP, ContextTokens and GeneratedTokens, in any order, and perhaps others.
Times have up to nine digits of fraction, and an offset from UTC or none: then it is the same for all
(https://github.com/Azure/AzurePublicDataset, AzureLLMInferenceDataset2023 and AzureLLMInferenceDataset2024).
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from streamlanes.producers.tokens import MAX_TOKENS

GZIP: Final = b"\x1f\x8b"
COLUMNS: Final = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")

_TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d)[ Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))? ?(Z|z|UTC|[+-]\d\d(?::?\d\d)?)?", re.ASCII
)
_COUNT = re.compile(r"\d{1,9}", re.ASCII)


class TraceError(Exception):
    """The file isn't a trace; the message names it, the line, and what was expected there."""


class TracedRequest(NamedTuple):
    """One session to start."""

    at_ns: int
    """Nanoseconds after the first request of the trace."""
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Requests in the order of their times, and what was done to the file to get them."""

    file: str
    requests: tuple[TracedRequest, ...]
    skipped: int
    """Requests that generated no token: there is nothing to stream, so no session is started for them."""
    out_of_order: int
    """Lines with an earlier time than the line before; the requests were sorted."""


def read_trace(path: Path, *, speed: float = 1.0, limit: int | None = None) -> Trace:
    """Read a trace; the whole file is checked, then the first *limit* requests (in time) are taken.

    *speed* divides the arrival times and nothing else. Raises TraceError.
    """
    try:
        with _text(path) as lines:
            rows = csv.reader(lines, strict=True)
            header = next(rows, [])
            columns = _columns(path, header)
            parsed = [_request(f"{path}, line {rows.line_num}", row, columns, len(header)) for row in rows if row]
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TraceError(f"{path}: the gzipped file is damaged: {error}") from error
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TraceError(f"{path}: not a CSV text file: {error}") from error
    out_of_order = sum(later.at_ns < earlier.at_ns for earlier, later in pairwise(parsed))
    taken = sorted(parsed, key=lambda request: request.at_ns)[:limit]
    if not any(request.tokens for request in taken):
        raise TraceError(f"{path}: there is no request with a token in it; nothing to stream")
    start = taken[0].at_ns
    try:
        requests = tuple(TracedRequest(round((at - start) / speed), tokens) for at, tokens in taken if tokens)
    except OverflowError as error:
        raise TraceError(f"{path}: at a speed of {speed:g} its requests never come") from error
    return Trace(file=str(path), requests=requests, skipped=len(taken) - len(requests), out_of_order=out_of_order)


@contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    """Open the file once: it may be a pipe."""
    with path.open("rb") as file:
        packed = file.peek(len(GZIP))[: len(GZIP)] == GZIP
        content = gzip.GzipFile(fileobj=file) if packed else file
        yield io.TextIOWrapper(content, encoding="utf-8-sig", newline="")


def _columns(path: Path, header: list[str]) -> Mapping[str, int]:
    names = [name.strip() for name in header]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        found = ", ".join(names)[:80] or "nothing"
        raise TraceError(f"{path}, line 1: expected the columns {','.join(COLUMNS)}; found {found}")
    return {name: names.index(name) for name in COLUMNS}


def _request(where: str, row: list[str], columns: Mapping[str, int], width: int) -> TracedRequest:
    if len(row) != width:
        raise TraceError(f"{where}: expected {width} fields, found {len(row)}")
    _count(where, "ContextTokens", row[columns["ContextTokens"]])
    tokens = _count(where, "GeneratedTokens", row[columns["GeneratedTokens"]])
    if tokens > MAX_TOKENS:
        raise TraceError(f"{where}: GeneratedTokens is {tokens}; the tokens producer makes {MAX_TOKENS} at most")
    return TracedRequest(_time(where, row[columns["TIMESTAMP"]]), tokens)


def _count(where: str, column: str, text: str) -> int:
    if not _COUNT.fullmatch(text.strip()):
        raise TraceError(f"{where}: expected {column} to be a whole number, 0 or more; found {text[:40]!r}")
    return int(text)


def _time(where: str, text: str) -> int:
    """Return nanoseconds since 1970, exactly: datetime keeps six digits of a fraction only."""
    match = _TIMESTAMP.fullmatch(text.strip())
    if match is not None:
        with suppress(ValueError):  # the 31st of February
            zone = "+00:00" if match[4] is None or match[4].isalpha() else match[4]
            moment = datetime.fromisoformat(f"{match[1]} {match[2]}{zone}")
            return int(moment.timestamp()) * 1_000_000_000 + int((match[3] or "").ljust(9, "0"))
    raise TraceError(f"{where}: expected TIMESTAMP to look like 2023-11-16 18:15:46.6805900; found {text[:40]!r}")
