"""The lanes that others are compared with: the same wires, written as most services write them today, and the steps
between that and our own.

They keep the wire and pass the contract tests, so that what is measured is what their way costs and nothing else. They
aren't served unless asked for: `streamlanes serve --baselines`, or `create_app(service, transports=…)`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from streamlanes.transports.transport import Transport, declared


def discover() -> Mapping[str, Transport]:
    """Return them by name: the modules of this package that define `TRANSPORT`.

    Raises ImportError where FastAPI is too old to have server-sent events of its own (before 0.135).
    """
    return {transport.name: transport for transport in declared(sys.modules[__name__])}
