"""What the routes of all lanes take, as the OpenAPI document says it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

StreamParameter = Annotated[str, Path(description="A session's id, or the name of a shared stream.")]
SessionParameter = Annotated[str, Path(description="A session's id.")]
AfterParameter = Annotated[
    str,
    Query(
        description="From where: after a cursor, at the oldest event held (`start`), or at what comes (`now`).",
        json_schema_extra={"pattern": r"^(start|now|[0-9a-z]{1,16}:(0|[1-9][0-9]{0,17}))$"},
        examples=["start", "now", "k3f9a2:17"],
    ),
]
