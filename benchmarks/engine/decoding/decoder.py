"""What all wires' decoders have in common: bytes in, offsets and data out, and no I/O."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Final, Protocol

LONGEST: Final = 16 * 1024 * 1024
"""Bytes that an event may take on the wire, as for the clients."""


class ReadingFailed(Exception):
    """The server refused, cut the stream, or sent what the wire doesn't allow; the reader's record says which."""


class Lost(ReadingFailed):
    """The connection ended before the stream did, or isn't served for now: another one may do better."""


def check_length(held: int) -> None:
    """Raise ReadingFailed if so many bytes, which are *held* until an event ends, are more than one may have."""
    if held > LONGEST:
        raise ReadingFailed(f"an event didn't end within {LONGEST:,} bytes")


@dataclass(slots=True)
class Events:
    """The events of a piece of the wire."""

    offsets: array[int] = field(default_factory=lambda: array("q"))
    data: list[bytes] = field(default_factory=list)
    """The JSON texts as they were on the wire, in their order: one by one, or several with a newline between them."""


class Position:
    """What a decoder has learned of its stream besides the events."""

    def __init__(self) -> None:
        self.epoch = b""
        self.outcome: str | None = None
        self.missing = 0
        """Events told to be gone; an unknown number counts as one."""

    def meet(self, epoch: bytes) -> None:
        """Check that *epoch* is the stream's. Raises ReadingFailed."""
        if self.epoch and epoch != self.epoch:
            raise ReadingFailed(f"an id of epoch {epoch.decode()!r} in a stream of epoch {self.epoch.decode()!r}")
        self.epoch = epoch

    def admit(self, epoch: bytes) -> None:
        """Check that an event of *epoch* may come now. Raises ReadingFailed."""
        if epoch != self.epoch:
            self.meet(epoch)
        if self.outcome is not None:
            raise ReadingFailed("an event after the end")

    def control(self, name: str, message: dict[str, object]) -> None:
        """Take a control message. Raises ReadingFailed for one that isn't known, and for a refusal."""
        match name:
            case "open":
                cursor = message.get("cursor")
                if not isinstance(cursor, str):
                    raise ReadingFailed("an open without a cursor")
                self.meet(cursor.partition(":")[0].encode())
            case "ping":
                pass
            case "gap":
                missing = message.get("missing")
                self.missing += missing if isinstance(missing, int) else 1
            case "refused":
                raise ReadingFailed(f"the server refused a message: {message.get('reason')}")
            case "end":
                self.outcome = str(message.get("outcome"))
            case _:
                raise ReadingFailed(f"an unknown control message: {name[:40]!r}")


class Decoder(Protocol):
    """Turns a streaming wire's bytes into events, however they are cut."""

    place: Position

    def feed(self, chunk: bytes) -> Events:
        """Return the events that *chunk* completes. Raises ReadingFailed; so does an event after the end."""
        ...
