from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from streamlanes import clients
from streamlanes.clients import Client, Options
from streamlanes.contract.serving import serving
from streamlanes.contract.sources import Fed, sources
from streamlanes.contract.ways import WAYS
from streamlanes.transports import Settings, SharedStream, StreamService, Transport, baselines, discover

TRANSPORTS = {**discover(), **baselines.discover()}


OURS = {name for name in discover() if type(TRANSPORTS[name]).__module__.startswith("streamlanes.")}
CASES = [(name, way) for name in sorted(TRANSPORTS) for way in (WAYS if name in OURS else ("direct",))]


@pytest.fixture(params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A lane and a way in which its bytes get out: all of them for our own lanes, one for those of other packages and
    for those that others are compared with.
    """
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def transport(case: tuple[str, str]) -> Transport:
    """Every lane that there is, also those of other packages, and those that others are compared with."""
    return TRANSPORTS[case[0]]


@pytest.fixture
def client(transport: Transport) -> Client:
    return clients.discover()[transport.wire]


@pytest.fixture
def options() -> Options:
    """Give up at the first loss, so that a test that passes did so without reconnecting."""
    return Options(attempts=1)


@pytest.fixture
def fed() -> Fed:
    return Fed()


@pytest.fixture
def service(fed: Fed) -> StreamService:
    return StreamService(
        producers=sources(fed),
        shared=[SharedStream(name="ended", producer="ticker", params={"count": 300, "arrivals": "at-once"})],
        settings=Settings(retain_events=1000),
    )


@pytest_asyncio.fixture
async def url(service: StreamService, transport: Transport, case: tuple[str, str]) -> AsyncIterator[str]:
    async with serving(service, [transport], around=WAYS[case[1]]) as base:
        yield base
