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
FAULTS: Final = ("error", "errors", "error_code", "error_msg", "error_message", "detail")
"""Fields that no chunk has unless something went wrong."""
WELL: Final = (0, 200, "0", "200", "ok", "success", None, "")
"""Codes of nothing having gone wrong."""

_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
_ERROR_EVENT = re.compile("error|exception", re.IGNORECASE)
_MAX_DIGITS: Final = 1000
_GONE: Final = object()
"""A number that JSON doesn't have, or nobody means."""


class Answer:
    """An answer, as far as it has come: the first of its choices, where several were asked for."""

    def __init__(self) -> None:
        self.done = False
        """Whether nothing is to come."""
        self.finish_reason: str | None = None
        """`stop`, `length` and so on, once it is told."""
        self.usage: JSON = None
        """The tokens used, if the API tells; without numbers that aren't JSON's (NaN, infinities)."""
        self._told: list[str] = []

    def take(self, data: str, kind: str = DEFAULT_TYPE) -> str:
        """Take the data of an event of type *kind*; return the text that it adds, often none.

        Raises UpstreamFailed for an error told in mid-answer, for what isn't a chunk, and for content of a shape that
        isn't known.
        """
        if _ERROR_EVENT.search(kind):
            raise _error(_tried(data))
        if data.strip() == DONE:
            self.done = True
            return ""
        chunk = _chunk(data)
        choices, usage = chunk.get("choices"), chunk.get("usage")
        if not isinstance(choices, list) and not usage:
            if choices is None and (kind == PING or chunk.get("object") in CHUNKS):
                return ""
            named = "" if kind == DEFAULT_TYPE or not _WORD.fullmatch(kind) else f" (an event of type {kind})"
            raise UpstreamFailed(f"it sent JSON that isn't a completion's chunk{named}")
        if isinstance(usage, dict):
            self.usage = usage or self.usage
        try:
            text = "".join(self._choice(choice) for choice in choices) if isinstance(choices, list) else ""
        except RecursionError:
            raise _unknown() from None
        if text:
            self._told.append(text)
        return text

    def check_whole(self) -> None:
        """Raise UpstreamFailed unless what has come is an answer. Nothing is to come any more."""
        if self.finish_reason is None and not self.done:
            raise UpstreamFailed("it ended in mid-answer")
        if self.finish_reason is None and not self._told:
            raise UpstreamFailed("it ended without having said anything")

    def _choice(self, choice: object) -> str:
        if not isinstance(choice, dict) or choice.get("index") not in (0, "0", None):
            return ""
        reason, delta, message = choice.get("finish_reason"), choice.get("delta"), choice.get("message")
        faulty = isinstance(delta, dict) and delta.get("error")
        if choice.get("error") or faulty or reason == "error" or not isinstance(reason, str | None):
            raise _error(choice)
        if reason and reason != "null":
            self.finish_reason = reason
        # `text` is of the older API; a message is an answer at once, or all of it once more, behind its pieces.
        return _said(delta) or _text(choice.get("text")) or self._beyond(_said(message))

    def _beyond(self, whole: str) -> str:
        return whole.removeprefix("".join(self._told)) if whole else ""


def _chunk(data: str) -> Mapping[str, object]:
    """Read a chunk. Raises UpstreamFailed for what isn't an object, and for one that tells an error."""
    try:
        chunk = _parsed(data)
    except (ValueError, RecursionError):
        raise UpstreamFailed("it sent what isn't JSON, so not a completion's chunk") from None
    if not isinstance(chunk, dict):
        raise UpstreamFailed("it sent JSON that isn't a completion's chunk")
    if _tells_an_error(chunk):
        raise _error(chunk)
    return chunk


def _said(message: object) -> str:
    """Return the text of a message, or of a piece of one."""
    if not isinstance(message, dict | None):
        raise _unknown()
    return "" if message is None else _text(message.get("content")) + _text(message.get("refusal"))


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
            raise _unknown()


def _unknown() -> UpstreamFailed:
    return UpstreamFailed("it sent content of a shape that isn't known, so that text may be missing")


def _tells_an_error(chunk: Mapping[str, object]) -> bool:
    if any(chunk.get(name) for name in FAULTS) or "error" in (chunk.get("object"), chunk.get("type")):
        return True
    response = chunk.get("base_resp")
    if isinstance(response, Mapping) and response.get("status_code") not in WELL:
        return True
    return not chunk.get("choices") and (isinstance(chunk.get("message"), str) or chunk.get("code") not in WELL)


def _error(told: object) -> UpstreamFailed:
    return UpstreamFailed(f"it told an error in mid-answer{code_in(told)}")


def code_in(problem: object) -> str:
    """Return ` (CODE)` of an error object that has a code or a type which is a word or a number, else nothing.

    Its message isn't told: it may repeat parts of the key.
    """
    if isinstance(problem, Mapping):
        inner = problem.get("error")
        error = inner if isinstance(inner, Mapping) else problem
        for word in (error.get("code"), error.get("error_code"), error.get("type")):
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
    return _kept(json.loads(data, parse_constant=lambda _: _GONE, parse_float=_number, parse_int=_integer))


def _number(digits: str) -> object:
    value = float(digits)
    return value if math.isfinite(value) else _GONE


def _integer(digits: str) -> object:
    return int(digits) if len(digits) <= _MAX_DIGITS else _GONE


def _kept(value: object) -> object:
    if isinstance(value, dict):
        return {name: _kept(inner) for name, inner in value.items() if inner is not _GONE}
    if isinstance(value, list):
        return [_kept(inner) for inner in value if inner is not _GONE]
    return None if value is _GONE else value
