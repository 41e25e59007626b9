"""Chat completions as OpenAI's API has them, and those that are compatible with it: what they say. No I/O.

An answer is server-sent events, each a chunk (a JSON object), until `[DONE]`. A chunk brings a piece of text, why the
answer ends, or, without choices, the usage
(https://platform.openai.com/docs/api-reference/chat-streaming). Errors come in many forms; what is no chunk of an
answer is one, so that none of it passes for an answer that is complete.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Final

from streamlanes.producers.errors import UpstreamFailed
from streamlanes.producers.events import DEFAULT_TYPE, JSON

DONE: Final = "[DONE]"
CHUNKS: Final = frozenset({"chat.completion.chunk", "chat.completion", "text_completion"})
"""What the `object` of a chunk says, also of one that brings nothing."""
PING: Final = "ping"
"""The type of an event that only shows that somebody is there."""
NO_TEXT: Final = frozenset({"thinking", "redacted_thinking", "reasoning", "reference"})
"""Types of parts of an answer that aren't the answer's text, and are left out, as `reasoning_content` is."""

_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_GONE: Final = object()
"""A number that JSON doesn't have."""


class Answer:
    """An answer, as far as it has come: the first of its choices, where several were asked for."""

    def __init__(self) -> None:
        self.done = False
        """Whether nothing is to come."""
        self.finish_reason: str | None = None
        """`stop`, `length` and so on, once it is told."""
        self.usage: JSON = None
        """The tokens used, if the API tells; without numbers that aren't JSON's (NaN, infinities)."""
        self._begun = False

    def take(self, data: str, kind: str = DEFAULT_TYPE) -> str:
        """Take the data of an event of type *kind*; return the text that it adds, often none.

        Raises UpstreamFailed for an error told in mid-answer, for what isn't a chunk, and for content of a shape that
        isn't known.
        """
        if kind == "error":
            raise UpstreamFailed(f"it told an error in mid-answer{code_in(_tried(data))}")
        if data.strip() == DONE:
            self.done = True
            return ""
        try:
            chunk = _parsed(data)
        except (ValueError, RecursionError):
            raise UpstreamFailed("it sent what isn't JSON, so not a completion's chunk") from None
        if not isinstance(chunk, dict):
            raise UpstreamFailed("it sent JSON that isn't a completion's chunk")
        if chunk.get("error") or "error" in (chunk.get("object"), chunk.get("type")):
            raise UpstreamFailed(f"it told an error in mid-answer{code_in(chunk)}")
        choices, usage = chunk.get("choices"), chunk.get("usage")
        if choices is None and usage is None:
            if kind == PING or chunk.get("object") in CHUNKS:
                return ""
            named = "" if kind == DEFAULT_TYPE or not _WORD.fullmatch(kind) else f" (an event of type {kind})"
            raise UpstreamFailed(f"it sent JSON that isn't a completion's chunk{named}")
        if isinstance(usage, dict):
            self.usage = usage
        if not isinstance(choices, list | None):
            raise UpstreamFailed("it sent JSON that isn't a completion's chunk")
        text = "".join(self._choice(choice) for choice in choices or [])
        self._begun = self._begun or bool(text)
        return text

    def check_whole(self) -> None:
        """Raise UpstreamFailed unless what has come is an answer. Nothing is to come any more."""
        if self.finish_reason is None and not self.done:
            raise UpstreamFailed("it ended in mid-answer")
        if self.finish_reason is None and not self._begun:
            raise UpstreamFailed("it ended without having said anything")

    def _choice(self, choice: object) -> str:
        if not isinstance(choice, dict) or choice.get("index", 0) != 0:
            return ""
        reason = choice.get("finish_reason")
        if choice.get("error") or reason == "error":
            raise UpstreamFailed(f"it told an error in mid-answer{code_in(choice)}")
        if isinstance(reason, str):
            self.finish_reason = reason
        if "text" in choice:  # of the older API for completions
            return _text(choice["text"])
        if isinstance(delta := choice.get("delta"), dict):
            return _text(delta.get("content")) + _text(delta.get("refusal"))
        if isinstance(message := choice.get("message"), dict) and not self._begun:  # the answer at once; else once more
            return _text(message.get("content")) + _text(message.get("refusal"))
        return ""


def _text(content: object) -> str:
    """Return the text in *content*. Raises UpstreamFailed where it isn't known whether there is any."""
    match content:
        case None:
            return ""
        case str():
            return content
        case list():
            return "".join(_text(part) for part in content)
        case {"type": str(kind)} if kind in NO_TEXT:
            return ""
        case {"text": str(text)} | {"refusal": str(text)} | {"text": {"value": str(text)}}:
            return text
        case _:
            raise UpstreamFailed("it sent content of a shape that isn't known, so that text may be missing")


def code_in(problem: object) -> str:
    """Return ` (CODE)` of an error object that has a code or a type which is a word or a number, else nothing.

    Its message isn't told: it may repeat parts of the key.
    """
    if isinstance(problem, Mapping):
        inner = problem.get("error")
        error = inner if isinstance(inner, Mapping) else problem
        for word in (error.get("code"), error.get("type")):
            if isinstance(word, int | str) and word != "error" and _WORD.fullmatch(str(word)):
                return f" ({word})"
    return ""


def _tried(data: str) -> object:
    try:
        return _parsed(data)
    except (ValueError, RecursionError):
        return None


def _parsed(data: str) -> object:
    """Read JSON, and what some serialisers write instead of a number, which is left out. Raises ValueError."""
    return _kept(json.loads(data, parse_constant=lambda _: _GONE, parse_float=_number))


def _number(digits: str) -> object:
    value = float(digits)
    return value if math.isfinite(value) else _GONE


def _kept(value: object) -> object:
    if isinstance(value, dict):
        return {name: _kept(inner) for name, inner in value.items() if inner is not _GONE}
    if isinstance(value, list):
        return [_kept(inner) for inner in value if inner is not _GONE]
    return None if value is _GONE else value
