from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlanes.producers.errors import InvalidCursor, InvalidItem
from streamlanes.producers.events import JSON, Cursor, check_type, encode_json, parse_after
from tests.strategies import JSON_VALUES


@given(epoch=st.from_regex(r"\A[0-9a-z]{1,16}\Z"), offset=st.integers(0, 10**18 - 1))
def test_a_cursor_survives_its_text(epoch: str, offset: int) -> None:
    assert Cursor.parse(str(Cursor(epoch, offset))) == Cursor(epoch, offset)


@pytest.mark.parametrize(
    "text",
    ["", "k3f9a2", "k3f9a2:", ":1", "K3F9A2:1", "k3f9a2:-1", "k3f9a2:01", "k3f9a2:1 ",
     "k3f9a2:1\n", "k3f9a2:\N{FULLWIDTH DIGIT ONE}",
     "a" * 17 + ":1", "k:1" + "0" * 18, "k3f9a2:1.end", "Start"],
)  # fmt: skip
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor, match="isn't a cursor"):
        parse_after(text)


def test_start_and_now_are_places() -> None:
    assert parse_after("start") == "start"
    assert parse_after("now") == "now"


@given(JSON_VALUES)
def test_data_is_one_line_that_can_be_encoded_and_means_the_value(value: JSON) -> None:
    text = encode_json(value)
    assert json.loads(text.encode()) == value
    assert not set("\r\n\0") & set(text)


def test_lone_surrogates_are_escaped() -> None:
    assert encode_json("a\ud800b") == '"a\\ud800b"'
    assert encode_json("ü\ud83d\ude00") == '"ü\\ud83d\\ude00"'  # a pair that was never joined means the same escaped


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": float("-inf")}, b"bytes", {1, 2}, object()])
def test_what_is_not_json_is_refused(value: object) -> None:
    with pytest.raises(InvalidItem, match="isn't JSON"):
        encode_json(value)  # type: ignore[arg-type]  # the point of the test


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[JSON] = []
    value.append(value)
    with pytest.raises(InvalidItem):
        encode_json(value)


@pytest.mark.parametrize("name", ["message", "a", "x" * 64, "order.created", "A-b_9", "stream"])
def test_plain_names_are_types(name: str) -> None:
    assert check_type(name) == name


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a\nb", "é", "error", "open", "stream-end", "stream-"])
def test_other_names_are_not(name: str) -> None:
    with pytest.raises(InvalidItem):
        check_type(name)
