"""A server that is running already, somewhere: a lane of it as a row of a report, and what it tells of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, Field, ValidationError

from streamlanes.benchmarks.machine.environment import Environment
from streamlanes.benchmarks.machine.processes import Placement
from streamlanes.benchmarks.spec.records import StartedStream
from streamlanes.benchmarks.spec.role import Role
from streamlanes.benchmarks.spec.workload import Workload
from streamlanes.benchmarks.trial.contestants import Contestant
from streamlanes.benchmarks.trial.server import Server, start
from streamlanes.producers.wire import Wire

PROBE_SECONDS: Final = 10.0


class TargetError(Exception):
    """There is no such server; the message says what came instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetInfo:
    """A server that was running already."""

    url: str
    server: str
    """Name that its `Server` header has; empty if there is none."""
    status: str
    """What its `/healthz` said before the first trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A lane of a server that isn't ours: no process is started, and no clock of it is read."""

    name: str
    lane: str
    reader: str
    role: Role
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Headers that are sent with every request. They may be secrets: they aren't stored."""

    @contextmanager
    def serving(self, workload: Workload, folder: Path, where: Placement) -> Iterator[Server]:
        yield Server(self.url, None, journaled=False, headers=self.headers)

    def start(self, server: Server, workload: Workload) -> StartedStream:
        return start(server.url, self.lane, workload, server.headers)


def at(url: str, headers: Mapping[str, str], contestants: Sequence[Contestant]) -> list[Contestant]:
    """Return the same contestants, read from the server at *url*."""
    return [
        Target(name=one.name, lane=one.lane, reader=one.reader, role=one.role, url=url, headers=headers)
        for one in contestants
    ]


class _Health(BaseModel):
    status: str
    lanes: Annotated[dict[str, str], Field(min_length=1)]


def probe(url: str, headers: Mapping[str, str]) -> tuple[TargetInfo, Mapping[str, Wire]]:
    """Return what the server at *url* tells of itself, and which wire each of its lanes writes. Raises TargetError."""
    check_url(url)
    try:
        answer = httpx.get(f"{url}/healthz", headers=headers, timeout=PROBE_SECONDS, trust_env=False)
    except httpx.TransportError as error:
        raise TargetError(f"{url} doesn't answer: {error}") from error
    if answer.status_code != httpx.codes.OK:
        raise TargetError(f"GET {url}/healthz: {answer.status_code}, not 200: {answer.text[:200]}")
    try:
        health = _Health.model_validate_json(answer.content)
    except ValidationError as error:
        raise TargetError(f"{url}/healthz doesn't name its lanes: it isn't a streamlanes server") from error
    info = TargetInfo(url=url, server=answer.headers.get("Server", ""), status=health.status)
    return info, {lane: Wire(wire) for lane, wire in health.lanes.items()}


def check_url(url: str) -> None:
    """Raise TargetError unless *url* is a server's root that may be stored."""
    fault = f"{url!r} isn't a server's URL; one looks like https://streams.example.com"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise TargetError(fault) from error
    if "@" in parts.netloc:
        raise TargetError("the URL is stored with the results, so no password can be in it; use --header")
    if not usable or parts.query or parts.fragment:
        raise TargetError(fault)


def environment_of(environment: Environment, info: TargetInfo) -> Environment:
    """Return *environment* without what it says of servers that are processes of ours."""
    return replace(
        environment,
        http="client aiohttp; the server's isn't known",
        websocket="client aiohttp; compression off",
        connections=f"to {info.url}, network unknown; keep-alive on, no proxy, no compression asked for",
        server_cpu=None,
    )
