"""A reader's request, from where its answer has begun: who writes to it from then on, and how."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TypeVar

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from streamlanes.transports.follow import Opening
from streamlanes.transports.outlet import is_waited_for, lent, steppable, wrapper
from streamlanes.transports.service.connection import connection_of
from streamlanes.transports.writing.reader import Reader
from streamlanes.transports.writing.ways import Direct, Plain
from streamlanes.transports.writing.writer import Writers

T = TypeVar("T")

logger = logging.getLogger("streamlanes")


async def serve(writers: Writers[T], opening: Opening, scope: Scope, receive: Receive, send: Send) -> None:
    """Write a stream to a client, whose response has begun or whose WebSocket is accepted.

    Under our own server it returns once that has begun, since nothing of the request is needed any more; but where a
    middleware that may wait for its end has called it, and under any other server, it returns at the end.
    """
    reader = Reader(writers, opening.stream)
    waited_for = is_waited_for(scope)
    outlet = lent(scope, receive, send) if writers.direct else None
    write = None if outlet is None else outlet.take(reader)
    if outlet is None or write is None:
        _tell_who_wraps(writers, scope, send)
        await _serve_plainly(reader, opening, scope, receive, send)
        return
    connection = connection_of(scope)
    if connection is not None:
        connection.hand_over()
    reader.begin(opening, Direct(outlet, write), connection)
    if waited_for:
        await reader.until_over()


async def _serve_plainly(reader: Reader[T], opening: Opening, scope: Scope, receive: Receive, send: Send) -> None:
    bare = steppable(send)
    way = Plain(bare or send, reader, reader.packing, stepping=bare is not None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_listen, reader, receive, way, tasks.cancel_scope)
        try:
            # What goes past the connection's own `send` is told to it.
            reader.begin(opening, way, None if bare is None else connection_of(scope))
            with suppress(*reader.packing.gone):
                await way.run()
        finally:
            reader.lost()
        tasks.cancel_scope.cancel()


async def _listen(reader: Reader[T], receive: Receive, way: Plain[T], serving: anyio.CancelScope) -> None:
    """Take what the client sends, and end the serving when it leaves."""
    while (message := await receive())["type"] not in {"http.disconnect", "websocket.disconnect"}:
        if message["type"] == "websocket.receive" and not reader.received(message):
            await way.sent()
    serving.cancel()


def _tell_who_wraps(writers: Writers[T], scope: Scope, send: Send) -> None:
    name, told = wrapper(scope, send), writers.lane.service.told
    if writers.direct and name is not None and name not in told:
        told.add(name)
        logger.warning(
            "%s wraps ASGI's `send`, so readers get their bytes through it and not straight from the server, which "
            "takes more CPU time; a middleware that leaves `send` alone doesn't",
            name,
        )


class WrittenResponse(Response):
    """A response whose body a stream's writer writes."""

    def __init__(self, writers: Writers[bytes], opening: Opening, media_type: str) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}, media_type=media_type)
        del self.headers["content-length"]  # of the empty body that it was made with
        self._writers = writers
        self._opening = opening

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Begin the response, and serve its reader."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await serve(self._writers, self._opening, scope, receive, send)
