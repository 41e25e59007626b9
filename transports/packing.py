"""What a connection puts around a message: HTTP/1.1's chunks and WebSocket's frames, and the ASGI messages instead.

A message is framed once (`framing`), and packed once for all readers that get it. Pure functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Generic, TypeVar

from starlette.types import Message

T = TypeVar("T")

LAST_CHUNK: Final = b"0\r\n\r\n"

ENDED: Final = 1000
GOING_AWAY: Final = 1001
"""A WebSocket's close codes: its reader has been told the end, or is to come back (RFC 6455 §7.4.1)."""


def chunk(content: bytes) -> bytes:
    """Return *content*, of a byte at least, as a chunk (RFC 9112 §7.1)."""
    return b"%x\r\n%b\r\n" % (len(content), content)


def text_frame(message: bytes) -> bytes:
    """Return *message* as a text frame of a server's (RFC 6455 §5.2)."""
    length = len(message)
    if length < 126:
        return b"\x81%c%b" % (length, message)
    if length < 65_536:
        return b"\x81\x7e%b%b" % (length.to_bytes(2, "big"), message)
    return b"\x81\x7f%b%b" % (length.to_bytes(8, "big"), message)


def text_frames(messages: Iterable[str]) -> bytes:
    """Return *messages* as text frames, one behind the other."""
    return b"".join([text_frame(message.encode()) for message in messages])


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing(Generic[T]):
    """How a kind of connection carries what a framing writes."""

    pack: Callable[[T], bytes]
    """To the bytes that go over the socket."""
    messages: Callable[[T], Sequence[Message]]
    """To the messages of ASGI's `send`, where a server does the packing."""
    last: Callable[[bool], Sequence[Message]]
    """The messages that end it; not ended: its reader is to come back."""
    gone: tuple[type[Exception], ...]
    """What servers raise from `send` once the client has left."""

    def __call__(self, framed: T) -> Packed[T]:
        """Return *framed* in both forms, each made when it is first asked for."""
        return Packed(framed, self)


class Packed(Generic[T]):
    """A message for many readers."""

    def __init__(self, framed: T, packing: Packing[T]) -> None:
        self._framed = framed
        self._packing = packing

    @cached_property
    def ready(self) -> bytes:
        """The bytes that go over the socket."""
        return self._packing.pack(self._framed)

    @cached_property
    def messages(self) -> Sequence[Message]:
        """The messages of ASGI's `send`."""
        return self._packing.messages(self._framed)


BODY: Final[Packing[bytes]] = Packing(
    pack=chunk,
    messages=lambda content: [{"type": "http.response.body", "body": content, "more_body": True}],
    last=lambda _: [{"type": "http.response.body", "body": b"", "more_body": False}],
    gone=(OSError,),
)
"""A response's body that goes on."""

MESSAGES: Final[Packing[tuple[str, ...]]] = Packing(
    pack=text_frames,
    messages=lambda texts: [{"type": "websocket.send", "text": text} for text in texts],
    last=lambda ended: [{"type": "websocket.close", "code": ENDED if ended else GOING_AWAY}],
    gone=(OSError, RuntimeError),  # RuntimeError: the server has closed a socket by itself, for broken frames
)
"""Text messages, uncompressed."""
