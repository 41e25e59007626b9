from __future__ import annotations

import importlib.util
import sys

# httpcore asks for sniffio with every request and every lock; where it isn't installed, each of these imports looks for
# it in all of the path again, which is a good part of what a request costs. This lets it fail at once.
if importlib.util.find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]  # as the import system has it: not to be found
