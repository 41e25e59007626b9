"""`python -m tests.otherwise serve …`: the command, with something around the app of its server.

The environment's STREAMLANES_TESTED_WAY says what (`streamlanes.contract.ways`).
"""

from __future__ import annotations

import os

from streamlanes.__main__ import main
from streamlanes.contract.ways import WAYS
from streamlanes.transports import create_app
from streamlanes.transports.server import uvicorn_server

if __name__ == "__main__":
    around = WAYS[os.environ["STREAMLANES_TESTED_WAY"]]
    vars(uvicorn_server)["create_app"] = lambda *given: around(create_app(*given))
    main()
