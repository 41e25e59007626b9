"""What Hypothesis draws for the tests of several packages."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from streamlanes.producers.events import JSON, Event, encode_json

_SCALARS: Final[st.SearchStrategy[JSON]] = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=20)  # surrogates too
    | st.sampled_from(["\r\n\n", "\u2028\u2029\u0085", "data: x\n\nid: 9", '"},{"', "\\", "\0", "\ud800", "🙂"])
)

JSON_VALUES: Final[st.SearchStrategy[JSON]] = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)

TYPES: Final = st.just("message") | st.from_regex(r"\A[A-Za-z0-9_.-]{1,12}\Z").filter(
    lambda name: name not in {"error", "open"} and not name.startswith("stream-")
)


@st.composite
def event_lists(draw: st.DrawFn, *, min_size: int = 0) -> list[Event]:
    """Consecutive events from a random offset on."""
    first = draw(st.integers(1, 10**6))
    contents = draw(st.lists(st.tuples(TYPES, JSON_VALUES), min_size=min_size, max_size=8))
    return [Event(first + n, kind, encode_json(value)) for n, (kind, value) in enumerate(contents)]
