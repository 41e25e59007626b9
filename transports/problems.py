"""Errors before the first byte, as RFC 9457 problem details."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from http import HTTPStatus
from typing import Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from producers.errors import (
    CursorExpired,
    InboxFull,
    InvalidCursor,
    InvalidItem,
    Refused,
    StreamEnded,
    StreamError,
    UnknownStream,
)
from producers.events import JSON

MAX_ERRORS: Final = 20
MAX_FIELD: Final = 200
"""How much is said about a request that is wrong all over."""


class BadParameter(StreamError):
    """A parameter that the server won't have; `field` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def problem(
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    extensions: Mapping[str, JSON] | None = None,
) -> JSONResponse:
    """Return a problem details response; *extensions* are further members of its object."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(
        {**content, **(extensions or {})},
        status_code=status,
        media_type="application/problem+json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def refusal(error: Refused) -> JSONResponse:
    """Return a 429 or 503 that says when to come back."""
    return problem(error.status, str(error), headers={"Retry-After": str(math.ceil(error.retry_after))})


def expired_fields(error: CursorExpired) -> dict[str, JSON]:
    """Return what a reader needs to go on."""
    return {"oldest": str(error.oldest), "head": str(error.head), "missing": error.missing}


def invalid(errors: Sequence[Mapping[str, JSON]]) -> JSONResponse:
    """Return a 422 that names each field."""
    detail = "; ".join(f"{error['field']}: {error['message']}" for error in errors)
    return problem(422, detail, extensions={"errors": errors})


def field_errors(error: ValidationError | RequestValidationError, prefix: Sequence[str] = ()) -> list[dict[str, JSON]]:
    """Return `field` and `message` of each error; a field within another is `outer.inner`."""
    found: list[dict[str, JSON]] = []
    for part in error.errors()[:MAX_ERRORS]:
        # Where JSON doesn't parse, the location is a place in the text.
        names = () if part["type"] == "json_invalid" else part["loc"]
        location = [str(name) for name in names if name not in {"body", "query", "path", "header"}]
        field = ".".join([*prefix, *location])
        message = part["msg"] if field else f"{part['msg']}; send a JSON object, as Content-Type: application/json"
        found.append({"field": field[:MAX_FIELD] or "body", "message": message[:MAX_FIELD]})
    return found


def from_error(error: StreamError) -> JSONResponse:
    """Return the response that tells *error*."""
    match error:
        case Refused():
            return refusal(error)
        case InboxFull():
            return problem(429, str(error), headers={"Retry-After": "1"})
        case StreamEnded():
            return problem(409, str(error))
        case CursorExpired():
            return problem(410, str(error), extensions=expired_fields(error))
        case UnknownStream():
            return problem(404, str(error))
        case InvalidCursor():
            return invalid([{"field": "after", "message": str(error)}])
        case InvalidItem():
            return invalid([{"field": "body", "message": str(error)}])
        case BadParameter():
            return invalid([{"field": error.field, "message": str(error)}])
        case _:
            raise error


def from_http(error: HTTPException) -> JSONResponse:
    """Return the response that the framework's *error* stands for."""
    if error.status_code == 400:  # a body in which JSON can't even be looked for
        return invalid([{"field": "body", "message": f"{error.detail}; send a JSON object in UTF-8"}])
    return problem(error.status_code, str(error.detail), headers=error.headers)


class ProblemRoute(APIRoute):
    """A route whose errors are problem details, whichever app it is part of."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[None, None, Response]]:
        """Wrap the route's handler."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except StreamError as error:
                return from_error(error)
            except RequestValidationError as error:
                return invalid(field_errors(error))
            except HTTPException as error:
                return from_http(error)
            except ClientDisconnect:  # in the middle of its request; nobody sees the answer
                return problem(400, "the request's end never came")

        return handle
