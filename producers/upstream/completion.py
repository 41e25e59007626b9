"""Chat completions as OpenAI's API has them, and those that are compatible with it: what they say. No I/O.

An answer is server-sent events, each a chunk (a JSON object), until `[DONE]`. A chunk brings a piece of text, why the
answer ends, or, without choices, the usage
(https://platform.openai.com/docs/api-reference/chat-streaming).
"""

from __future__ import annotations

import json
import re
from typing import Final

from streamlanes.producers.errors import UpstreamFailed
from streamlanes.producers.events import JSON

DONE: Final = "[DONE]"

_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


class Answer:
    """An answer, as far as it has come: the first of its choices, where several were asked for."""

    def __init__(self) -> None:
        self.done = False
        """Whether nothing is to come."""
        self.finish_reason: str | None = None
        """`stop`, `length` and so on, once it is told."""
        self.usage: JSON = None
        """The tokens used, if the API tells."""

    def take(self, data: str) -> str:
        """Take an event's data; return the text that it adds, often none.

        Raises UpstreamFailed for an error told in mid-answer, and for what isn't a chunk.
        """
        if data.strip() == DONE:
            self.done = True
            return ""
        try:
            chunk = json.loads(data)
        except (ValueError, RecursionError):
            raise UpstreamFailed("it sent what isn't JSON, so not a completion's chunk") from None
        if not isinstance(chunk, dict):
            raise UpstreamFailed("it sent JSON that isn't a completion's chunk")
        if chunk.get("error"):
            raise UpstreamFailed(f"it told an error in mid-answer{code_in(chunk)}")
        self.usage = chunk.get("usage") or self.usage
        return "".join(self._choice(choice) for choice in _list(chunk.get("choices")))

    def _choice(self, choice: object) -> str:
        if not isinstance(choice, dict) or choice.get("index", 0) != 0:
            return ""
        reason, delta = choice.get("finish_reason"), choice.get("delta")
        if isinstance(reason, str):
            self.finish_reason = reason
        text = delta.get("content") if isinstance(delta, dict) else None
        return text if isinstance(text, str) else ""


def code_in(problem: object) -> str:
    """Return ` (CODE)` of an error object that has a code or a type which is a word, else nothing.

    Its message isn't told: it may repeat parts of the key.
    """
    error = problem.get("error") if isinstance(problem, dict) else None
    if isinstance(error, dict):
        for word in (error.get("code"), error.get("type")):
            if isinstance(word, str) and _WORD.fullmatch(word):
                return f" ({word})"
    return ""


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
