"""A lane from another package: one file, and everything takes it up."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.serving import serve_process

ROOT = Path(__file__).parents[2]

LANE = '''
"""Lane `ndjson-each`: chunked HTTP, an event a write."""

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Response
from starlette.responses import StreamingResponse

from streamlanes.producers.events import parse_after
from streamlanes.producers.wire import NDJSON, Wire
from streamlanes.transports import StreamService, Transport
from streamlanes.transports.follow import StreamingLane
from streamlanes.transports.framing import WebSocketFraming
from streamlanes.transports.problems import ProblemRoute


@dataclass(frozen=True)
class EachLine:
    name: str = "ndjson-each"
    wire: Wire = NDJSON

    def router(self, service: StreamService) -> APIRouter:
        router = APIRouter(route_class=ProblemRoute)
        lane = StreamingLane(service, self.name, WebSocketFraming())

        @router.get("/ndjson-each/{stream}", name=self.name)
        async def stream_events(stream: str, after: str = "start") -> Response:
            first = await lane.open(stream, parse_after(after))

            async def lines():
                async for texts in lane.follow(stream, first).frames():
                    for text in texts:
                        yield text + "\\n"

            return StreamingResponse(lines(), media_type="application/x-ndjson")

        return router


TRANSPORT: Final[Transport] = EachLine()
'''


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which a package with the lane is installed: its file, and the metadata that pip would write."""
    (tmp_path / "eachline.py").write_text(LANE)
    metadata = tmp_path / "eachline-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: eachline\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[streamlanes.transports]\neachline = eachline:TRANSPORT\n")
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def contract(python: Path, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run the contract on the lane, from the installed wheel, as the other package's developer would."""
    done = subprocess.run(
        [python, "-m", "pytest", "--pyargs", "streamlanes.contract", "-k", "ndjson-each", "-p", "no:cacheprovider"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.timeout(120)
def test_the_contract_tests_pass_on_a_lane_from_outside(
    python: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    code, said = contract(python, tmp_path, environment)
    assert code == 0, said
    passed = re.search(r"(\d+) passed", said)
    assert passed is not None
    assert int(passed[1]) >= 20


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("line", "faulty"),
    [
        ('yield text + "\\n"', 'if "line" not in text: yield text + "\\n"'),
        ("parse_after(after)", 'parse_after("start")'),
    ],
    ids=["drops", "does-not-resume"],
)
def test_the_contract_tests_find_what_a_lane_does_wrong(
    python: Path, tmp_path: Path, environment: dict[str, str], line: str, faulty: str
) -> None:
    lane = tmp_path / "eachline.py"
    assert line in lane.read_text()
    lane.write_text(lane.read_text().replace(line, faulty))
    code, said = contract(python, tmp_path, environment)
    assert code == 1, said
    assert "FAILED" in said


@pytest.mark.parametrize("value", ["eachline", "eachline:NOTHING", "nosuchmodule:TRANSPORT"])
def test_a_wrong_entry_point_is_named(environment: dict[str, str], tmp_path: Path, value: str) -> None:
    entry = tmp_path / "eachline-1.0.dist-info" / "entry_points.txt"
    entry.write_text(f"[streamlanes.transports]\neachline = {value}\n")
    done = subprocess.run(
        [sys.executable, "-m", "streamlanes", "serve", "--port", "0"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    assert f"entry point eachline ({value})" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_server_offers_it(environment: dict[str, str]) -> None:
    with serve_process("--stream", "s=ticker,count=3,arrivals=at-once", env=environment) as (url, _):
        assert httpx.get(f"{url}/healthz").json()["lanes"]["ndjson-each"] == "ndjson"
        lines = [json.loads(line) for line in httpx.get(f"{url}/ndjson-each/s").text.splitlines()]
        assert lines[-1] == {"control": "end", "outcome": "completed"}
        links = httpx.post(f"{url}/start", json={"producer": "tokens"}).json()["links"]
        assert links["ndjson-each"].startswith("/ndjson-each/")
