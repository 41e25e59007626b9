"""`GET /streamlanes.js`: the browser's client, for pages to import. docs/browser.md has how."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Header, Response

from streamlanes.transports.problems import ProblemRoute, answer, documented

MODULES: Final = Path(__file__).parents[2] / "clients" / "browser"
"""By their path, since `clients` isn't imported here; they need nothing of theirs."""
ENTRY: Final = "streamlanes"
_IMPORT: Final = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)
_IMPORTED_TYPE: Final = re.compile(r'^/\*\* @typedef \{import\("\./\w+\.js"\)\.(\w+)\} \1 \*/\n', re.MULTILINE)
_EXPORTED_AGAIN: Final = re.compile(r'^(export \{[^}]*\}) from "\./(\w+)\.js";\n', re.MULTILINE)


def browser_client() -> bytes:
    """Return the modules in clients/browser as one, which exports what ENTRY does.

    One, so that a page waits for one answer, and a copy of the client is one file. Each module stands before those that
    import it, without its imports and exports: names are unique in the folder. An import is written as _IMPORT has it.
    """
    joined: dict[str, str] = {}

    def add(name: str) -> None:
        text = (MODULES / f"{name}.js").read_text(encoding="utf-8")
        for needed in (*_IMPORT.findall(text), *(module for _, module in _EXPORTED_AGAIN.findall(text))):
            if needed not in joined:
                add(needed)
        text = _IMPORTED_TYPE.sub("", _IMPORT.sub("", text))
        if name == ENTRY:
            joined[name] = _EXPORTED_AGAIN.sub(r"\1;\n", text)
        else:
            joined[name] = re.sub(r"^export (?!\{)", "", text, flags=re.MULTILINE)

    add(ENTRY)
    return "\n".join(joined.values()).encode()


def browser_router() -> APIRouter:
    """Return the route. Browsers keep the module, and ask each time whether it is still the same."""
    router = APIRouter(route_class=ProblemRoute)
    module = browser_client()
    tag = f'"{sha256(module).hexdigest()[:32]}"'
    headers = {"Cache-Control": "no-cache", "ETag": tag}

    @router.get(
        "/streamlanes.js",
        summary="The browser's client, an ES module",
        response_class=Response,
        responses={
            200: answer("The module.", "text/javascript"),
            304: answer("It is the one that `If-None-Match` names."),
            **documented(),
        },
    )
    async def streamlanes_js(if_none_match: Annotated[str, Header()] = "") -> Response:
        if tag in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(module, media_type="text/javascript", headers=headers)

    return router
