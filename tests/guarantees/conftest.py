from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from streamlanes.contract.ways import WAYS
from streamlanes.transports import Transport, create_app, discover
from streamlanes.transports.server import uvicorn_server

TRANSPORTS = discover()

BOTH_WAYS = {
    f"tests.guarantees.test_{name}"
    for name in ("drain", "fuzz_websocket", "gaps", "limits", "resume", "send", "slow_readers", "state_machine")
}
"""What is about readers' connections: it holds however their bytes get out."""


@pytest.fixture(params=sorted(TRANSPORTS))
def transport(request: pytest.FixtureRequest) -> Transport:
    """Every lane that there is."""
    return TRANSPORTS[request.param]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.module.__name__ in BOTH_WAYS:
        metafunc.parametrize("way", ["direct", "wrapped"], scope="module", indirect=True)


@pytest.fixture(scope="module", autouse=True)
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """How bytes get out, of servers in this process and, by `tests.otherwise`, in others."""
    name: str = getattr(request, "param", "direct")
    with pytest.MonkeyPatch.context() as patch:
        if name != "direct":
            patch.setattr(uvicorn_server, "create_app", lambda *given: WAYS[name](create_app(*given)))
            patch.setitem(os.environ, "STREAMLANES_TESTED_WAY", name)
        yield name
