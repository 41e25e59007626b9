from __future__ import annotations

import pytest

from streamlanes.transports import Transport, discover

TRANSPORTS = discover()


@pytest.fixture(params=sorted(TRANSPORTS))
def transport(request: pytest.FixtureRequest) -> Transport:
    """Every lane that there is."""
    return TRANSPORTS[request.param]
