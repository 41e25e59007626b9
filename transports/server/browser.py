"""`GET /streamlanes.js`: the browser's client, for pages to import. docs/browser.md has how."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Header, Response

from streamlanes.transports.problems import ProblemRoute, answer, documented

MODULE: Final = Path(__file__).parents[2] / "clients" / "browser" / "streamlanes.js"
"""By its path, since `clients` isn't imported here; it needs nothing of theirs."""


def browser_router() -> APIRouter:
    """Return the route. Browsers keep the module, and ask each time whether it is still the same."""
    router = APIRouter(route_class=ProblemRoute)
    module = MODULE.read_bytes()
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
    async def browser_client(if_none_match: Annotated[str, Header()] = "") -> Response:
        if tag in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(module, media_type="text/javascript", headers=headers)

    return router
