from __future__ import annotations

import pytest

from streamlanes.contract.sources import Fed
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.service.sessions import Session


@pytest.fixture
def fed() -> Fed:
    return Fed()


@pytest.fixture
async def session(service: StreamService) -> Session:
    """A stream that the test feeds, or appends to by itself."""
    return await service.start("fed", {})
