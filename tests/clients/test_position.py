"""What continues a stream, and what doesn't."""

from __future__ import annotations

import pytest

from streamlanes.clients import discover
from streamlanes.clients.messages import Ended, Gap, Message, Opened, Ping, Received
from streamlanes.clients.position import Position
from streamlanes.producers.errors import CursorExpired, InvalidCursor, ProtocolViolation, StreamFailed, StreamOrphaned
from streamlanes.producers.events import After, Cursor, Event, Outcome
from streamlanes.producers.wire import Wire
from tests.clients.peers import WIRES, as_message, at, numbered

OPEN = Opened(at(0), 15)
ONE, TWO, THREE = numbered(3)


def opened() -> Position:
    position = Position("start")
    position.begin()
    position.take(OPEN)
    return position


def test_an_event_is_given_first_and_the_cursor_moves_then() -> None:
    position = opened()
    assert position.cursor == at(0)
    assert position.take(as_message(ONE)) == ONE
    assert position.cursor == at(0)
    position.settle()
    assert position.cursor == at(1)


@pytest.mark.parametrize("after", ["k3f9a2:1", "later", "", ["k3f9a2", 1], None])
@pytest.mark.parametrize("wire", WIRES)
def test_what_is_no_place_to_begin_is_refused_before_anything_is_sent(wire: Wire, after: After) -> None:
    """Above all the text of a saved cursor, which the server would take, until it can't continue it."""
    with pytest.raises(InvalidCursor, match=r"Cursor\.parse"):
        discover()[wire].connect("http://127.0.0.1:1/lane/id", after=after)


def test_a_new_connection_reads_on_from_the_cursor() -> None:
    position = Position("now")
    assert position.begin() == "now"
    position.take(Opened(at(7), 15))
    assert position.begin() == at(7)
    assert Position(at(3)).cursor == Position(at(3)).begin() == at(3)


@pytest.mark.parametrize(
    "wrong",
    [
        as_message(TWO),
        Received("other", ONE),
        as_message(Event(0, "message", "0")),
        OPEN,
        Gap(at(1), at(5), 4),
    ],
)
def test_what_does_not_continue_is_a_violation(wrong: Message) -> None:
    with pytest.raises(ProtocolViolation):
        opened().take(wrong)


@pytest.mark.parametrize("first", [as_message(ONE), Ping(), Gap(at(0), at(1), 1), Ended(Outcome.COMPLETED)])
def test_every_connection_begins_with_open(first: Message) -> None:
    with pytest.raises(ProtocolViolation):
        Position(at(0)).take(first)
    again = opened()
    again.begin()
    with pytest.raises(ProtocolViolation):
        again.take(first)


def test_an_event_is_not_given_twice() -> None:
    position = opened()
    position.take(as_message(ONE))
    position.settle()
    position.begin()
    position.take(Opened(at(1), 15))
    with pytest.raises(ProtocolViolation):
        position.take(as_message(ONE))


def test_a_server_that_goes_on_elsewhere_is_a_violation() -> None:
    for elsewhere in (at(2), Cursor("other", 3)):
        position = Position(at(3))
        position.begin()
        with pytest.raises(ProtocolViolation):
            position.take(Opened(elsewhere, 15))


def test_a_gap_says_what_is_missing_and_leaves_the_cursor() -> None:
    position = opened()
    with pytest.raises(CursorExpired) as caught:
        position.take(Gap(at(0), at(9), 9))
    assert (caught.value.after, caught.value.oldest, caught.value.missing) == (at(0), at(9), 9)
    assert position.cursor == at(0)


@pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.DELETED])
def test_these_outcomes_end_a_stream_well(outcome: Outcome) -> None:
    position = opened()
    assert position.take(Ended(outcome)) is None
    assert position.outcome is outcome


@pytest.mark.parametrize(("outcome", "error"), [(Outcome.FAILED, StreamFailed), (Outcome.ORPHANED, StreamOrphaned)])
def test_these_end_it_early(outcome: Outcome, error: type[Exception]) -> None:
    position = opened()
    with pytest.raises(error):
        position.take(Ended(outcome))
    assert position.outcome is None
