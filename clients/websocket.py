"""WebSocket: a JSON object a text frame, with websockets."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Final

from websockets.asyncio import client
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.frames import CloseCode

from streamlanes.clients.address import Address
from streamlanes.clients.jsonwire import decode_message
from streamlanes.clients.messages import Message, excerpt
from streamlanes.clients.options import DEFAULTS, Options
from streamlanes.clients.refusals import refused_with_code, refused_with_status
from streamlanes.clients.stream import Client, EventStream
from streamlanes.producers.certificates import tls
from streamlanes.producers.errors import ConnectionLost, MessageRefused, ProtocolViolation, StreamEnded, StreamError
from streamlanes.producers.events import After
from streamlanes.producers.wire import WEBSOCKET, Wire

CLOSE_TIMEOUT: Final = 0.25
"""Seconds that a server gets to say goodbye, to a reader who leaves early or has found it silent. Its goodbye is behind
the events that were on the way, which nobody reads any more, so waiting longer would bring nothing."""


UNREADABLE: Final = frozenset({CloseCode.PROTOCOL_ERROR, CloseCode.INVALID_DATA, CloseCode.MESSAGE_TOO_BIG})
"""What we close with, where the server's frames aren't what they may be."""


class connect(client.connect):  # noqa: N801 (as there)
    """websockets', but a redirect isn't followed, as on the other wires: the caller is told of it."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Leave it as it is."""
        return exc


class WebSocketClient:
    """Reads text frames. *url* may be http or ws."""

    wire: Wire = WEBSOCKET

    def connect(self, url: str, *, after: After = "start", options: Options = DEFAULTS) -> EventStream:
        """Return the stream at *url*, to be entered with `async with`. Raises ValueError for what isn't a URL."""
        address = Address.parse(url)
        frames = Frames()

        async def receive(after: After) -> AsyncGenerator[Message, None]:
            with _translated(after):
                async with connect(
                    address.websocket(after=str(after)),
                    ssl=tls() if address.secure else None,
                    additional_headers=options.headers,
                    proxy=options.proxy,
                    compression=None,
                    max_size=options.max_event_bytes,
                    open_timeout=None,  # these two are the watchdog's, which is EventStream's
                    ping_interval=None,
                    close_timeout=CLOSE_TIMEOUT,
                ) as connection:
                    with frames.over(connection):
                        while True:
                            yield decode(await connection.recv())

        return EventStream(receive, frames, after=after, options=options)


class Frames:
    """What goes up: a text frame each, over the connection that events come down on, while there is one."""

    def __init__(self) -> None:
        self._connection: client.ClientConnection | None = None
        self._sent = self._too_long = False

    @contextmanager
    def over(self, connection: client.ClientConnection) -> Iterator[None]:
        """Send over *connection* in this block."""
        self._connection = connection
        self._sent = False
        try:
            yield
        except ConnectionClosed as error:
            if self._sent and error.rcvd is not None and error.rcvd.code == CloseCode.MESSAGE_TOO_BIG:
                self._too_long = True
            raise
        finally:
            self._connection = None

    async def send(self, text: str) -> None:
        if self._too_long:
            self._too_long = False
            raise MessageRefused("an earlier message was longer than the server takes any, and this one not sent")
        if self._connection is None:
            raise ConnectionLost("there is no connection just now; reading the stream makes a new one")
        self._sent = True
        try:
            await self._connection.send(text)
        except ConnectionClosed as error:
            if error.rcvd is not None and error.rcvd.code == CloseCode.NORMAL_CLOSURE:
                raise StreamEnded("the stream has ended; nobody reads what is sent to it") from error
            raise ConnectionLost("the connection was closed; reading the stream makes a new one") from error

    async def close(self) -> None:
        """The connection is the reader's."""


def decode(frame: str | bytes) -> Message:
    """Return the message in a frame. Raises ProtocolViolation."""
    if isinstance(frame, bytes):
        raise ProtocolViolation(f"a binary frame came: {excerpt(frame)}")
    return decode_message(frame)


@contextmanager
def _translated(after: After) -> Iterator[None]:
    try:
        yield
    except ConnectionClosed as error:
        raise _closed(error, after) from error
    except InvalidStatus as error:
        response = error.response
        raise refused_with_status(
            response.status_code,
            body=bytes(response.body or b""),
            after=after,
            retry_after=_first(response.headers, "Retry-After"),
            location=_first(response.headers, "Location"),
        ) from error
    except (InvalidHandshake, OSError) as error:
        raise ConnectionLost(str(error) or type(error).__name__) from error


def _first(headers: Headers, name: str) -> str | None:
    """Return a field, also one that a proxy has added once more, which `headers.get` raises for."""
    return next(iter(headers.get_all(name)), None)


def _closed(error: ConnectionClosed, after: After) -> StreamError:
    if error.rcvd is not None:
        return refused_with_code(error.rcvd.code, error.rcvd.reason, after=after)
    if error.sent is not None and error.sent.code in UNREADABLE:
        return ProtocolViolation(f"the server's frames can't be read: {error.sent.reason}")
    return ConnectionLost("the connection was cut")


CLIENT: Final[Client] = WebSocketClient()
