"""Errors before the first byte, as RFC 9457 problem details."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from streamlanes.producers.errors import (
    CursorExpired,
    InboxFull,
    InvalidCursor,
    InvalidItem,
    MessageTooLarge,
    Refused,
    StreamEnded,
    StreamError,
    UnknownStream,
)
from streamlanes.producers.events import JSON

MAX_ERRORS: Final = 20
MAX_FIELD: Final = 200
"""How much is said about a request that is wrong all over."""


PROBLEM_SCHEMA: Final[Mapping[str, JSON]] = {
    "title": "Problem",
    "description": "RFC 9457 problem details.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "oldest": {"type": "string", "description": "410: read on from here."},
        "head": {"type": "string", "description": "410: the last event."},
        "missing": {"type": ["integer", "null"], "description": "410: so many events are gone."},
        "errors": {
            "description": "422: what is wrong with each field.",
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}

_DESCRIPTIONS: Final[Mapping[int, str]] = {
    400: "No or a malformed Host.",
    401: "Authorization is needed.",
    403: "Not allowed, to this page's origin or to this client.",
    404: "No such stream here.",
    408: "The rest of the body didn't come.",
    409: "The stream has ended.",
    410: "The cursor can't be continued; `oldest` and `head` say where to go on.",
    413: "Too long.",
    421: "This server doesn't go by that name.",
    422: "A field is wrong; `errors` names it.",
    429: "Too many or too much; come back later.",
    503: "The server is going away; come back later.",
}
_RETRY_AFTER: Final = {"Retry-After": {"schema": {"type": "string", "pattern": "^[0-9]+$"}, "description": "Seconds."}}

Documented = dict[int | str, dict[str, Any]]  # what FastAPI takes


def documented(*statuses: int) -> Documented:
    """Return what the OpenAPI document says of problems with *statuses*, and of those that any request can have."""
    return {
        status: {
            "description": _DESCRIPTIONS[status],
            "content": {"application/problem+json": {"schema": PROBLEM_SCHEMA}},
            **({"headers": _RETRY_AFTER} if status in {429, 503} else {}),
        }
        for status in (400, 401, 403, 408, 413, 421, *statuses)
    }


def answer(description: str, *media_types: str, schema: Mapping[str, JSON] | None = None) -> dict[str, Any]:
    """Return what the OpenAPI document says of a response that is ready-made bytes, by default text."""
    content = {media_type: {"schema": schema or {"type": "string"}} for media_type in media_types}
    return {"description": description, "content": content} if content else {"description": description}


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
        message = part["msg"].removeprefix("Value error, ")  # what a validator of ours says is a whole sentence
        if not field:
            message += "; send a JSON object, as Content-Type: application/json"
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
        case MessageTooLarge():
            return problem(413, str(error))
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
            except ClientDisconnect:
                return problem(400, "the request was cut")  # which nobody sees; without it, it would be our error

        return handle
