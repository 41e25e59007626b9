"""The servers of `tests.clients.peers`, for a browser: with CORS, and not waiting until it closes what is idle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from websockets.asyncio.server import serve

from streamlanes.producers.events import Event
from streamlanes.producers.wire import WEBSOCKET, Wire
from tests.clients.peers import Peer, Step

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


def cors(origin: str) -> Mapping[str, str]:
    """What lets the page of *origin* read an answer."""
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": "Retry-After",
    }


@asynccontextmanager
async def listening(handle: Handler) -> AsyncIterator[tuple[str, int]]:
    """Run a server of *handle* for each connection; gives its address. Leaving ends them all."""
    running: set[asyncio.Task[None]] = set()

    async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            try:
                await handle(reader, writer)
            finally:
                writer.close()

    async with AsyncExitStack() as stack:
        tasks = await stack.enter_async_context(asyncio.TaskGroup())

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = tasks.create_task(handled(reader, writer))
            running.add(task)
            task.add_done_callback(running.discard)

        async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            yield host, port
            server.close()
            for task in running:
                task.cancel()


@asynccontextmanager
async def peer(origin: str, wire: Wire, events: Sequence[Event], *steps: Step) -> AsyncIterator[Peer]:
    """Run a peer that pages of *origin* may read."""
    here = Peer(wire, events, steps)
    here.headers = cors(origin)
    if wire == WEBSOCKET:
        async with serve(here.websocket, "127.0.0.1", 0, process_request=here.handshake, compression=None) as server:
            here.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws/x"
            yield here
    else:
        async with listening(here.http) as (host, port):
            here.url = f"http://{host}:{port}/lane/x"
            yield here
