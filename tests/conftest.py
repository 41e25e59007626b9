from __future__ import annotations

import asyncio
import gc
import importlib.util
import os
import sys
from pathlib import Path

import uvicorn

ROOT = Path(__file__).parents[1]

# httpcore asks for sniffio with every request and every lock; where it isn't installed, each of these imports looks for
# it in all of the path again, which is a good part of what a request costs. This lets it fail at once.
# See findings/httpcore-imports-sniffio-at-each-request.sh.
if importlib.util.find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]  # as the import system has it: not to be found

# pytest has the checkout's root on the path for `tests`, so that a folder could be imported a second time, under a name
# of its own and with classes of its own. This lets such an import fail.
for link in (ROOT / "src" / "streamlanes").iterdir():
    if link.is_symlink():
        sys.modules[link.name] = None  # type: ignore[assignment]  # as above

# Some servers under test are modules of `tests`, in processes that are started with -P.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))

# As the command sets it, for the processes that tests start without it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def pytest_collection_finish() -> None:
    """Have the garbage collector leave alone what stays until the end: thousands of tests, and all modules."""
    gc.collect()
    gc.freeze()


class Hasty:
    """asyncio for uvicorn's server, which looks ten times a second whether it is to end, and sleeps as long while it
    does: seconds and seconds, with hundreds of servers.
    """

    def __getattr__(self, name: str) -> object:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 20)


vars(uvicorn.server)["asyncio"] = Hasty()
