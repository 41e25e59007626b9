"""What `upstream` relays: the API's address, key and request, and what a reader may say of the latter. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from streamlanes.producers.errors import InvalidItem
from streamlanes.producers.events import JSON, encode_json
from streamlanes.producers.producer import Params

MAX_TEXT: Final = 400_000
"""Characters of what is asked."""
MAX_TOKENS: Final = 100_000

_PRINTABLE = re.compile(r"[\x21-\x7e]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An API that may be relayed. Raises ValueError for what can't be one; no message has the key."""

    url: str
    """The whole address, such as `https://api.example.com/v1/chat/completions`. Redirects aren't followed."""
    key: str | None = field(default=None, repr=False)
    """Key that is sent as `Authorization: Bearer …`."""
    body: Mapping[str, JSON] = field(default_factory=dict)
    """The request's other fields: `model`, for instance. Readers have no say in them, but that their `messages` come
    after those here, their `temperature` instead of the one here, and that `max_tokens`, or `max_completion_tokens`,
    is the most that they can ask for."""
    silence: float = 120.0
    """Seconds that may pass without a byte."""
    max_seconds: float = 600.0
    """Seconds for all of an answer, attempts included."""

    def __post_init__(self) -> None:
        url = urlsplit(self.url)
        if url.scheme not in {"http", "https"} or not url.hostname or not _PRINTABLE.fullmatch(self.url):
            raise ValueError("the address has to be a whole one, beginning with https:// or http://, in ASCII")
        if "@" in url.netloc:
            raise ValueError("the address has a user or password in it; give the key by itself")
        if self.key is not None and not _PRINTABLE.fullmatch(self.key):
            raise ValueError("the key is empty, or has characters in it that no key has: spaces, line ends or others")
        try:
            encode_json(self.body)
        except InvalidItem:
            raise ValueError("the body isn't JSON") from None
        if not isinstance(self.body.get("messages", []), list):
            raise ValueError("the body's `messages` isn't a list")  # noqa: TRY004 (a value from a file, as the others)
        if type(self.most_tokens) is not int or self.most_tokens < 1:
            raise ValueError(f"the body's `{self._tokens_name}` isn't a number of tokens")
        if not (self.silence > 0 and self.max_seconds > 0):
            raise ValueError("times must be positive")

    @property
    def _tokens_name(self) -> str:
        return "max_completion_tokens" if "max_completion_tokens" in self.body else "max_tokens"

    @property
    def most_tokens(self) -> JSON:
        """How many tokens may be asked for."""
        return self.body.get(self._tokens_name, MAX_TOKENS)

    def request(self, params: UpstreamParams) -> dict[str, JSON]:
        """Return the body of the request for *params*."""
        before = self.body.get("messages", [])
        asked: dict[str, JSON] = {
            **self.body,
            "messages": [*(before if isinstance(before, list) else []), *params.asked],
            "stream": True,
        }
        if params.max_tokens is not None:
            asked[self._tokens_name] = params.max_tokens
        if params.temperature is not None:
            asked["temperature"] = params.temperature
        return asked


class ChatMessage(BaseModel):
    """What somebody has said."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Literal["system", "user", "assistant"]
    content: str = Field(max_length=MAX_TEXT)


class UpstreamParams(Params):
    """Parameters of `upstream`: which one, and either `prompt` or `messages`."""

    upstream: str = Field(max_length=64)
    """The name of one of those that the server was started with; never an address."""
    prompt: str | None = Field(None, min_length=1, max_length=MAX_TEXT)
    """What the user says; the same as `messages` with just that."""
    messages: tuple[ChatMessage, ...] | None = Field(None, min_length=1, max_length=256)
    """A conversation."""
    max_tokens: int | None = Field(None, ge=1, le=MAX_TOKENS)
    """Tokens of the answer, which is cut there; without it, as many as the server or the API has decided."""
    temperature: float | None = Field(None, ge=0, le=2)

    def model_post_init(self, _context: object) -> None:
        """Refuse what says nothing, two things, or too much."""
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either prompt or messages")
        if sum(len(message.content) for message in self.messages or ()) > MAX_TEXT:
            raise ValueError(f"the messages have {MAX_TEXT:,} characters at most")

    @property
    def asked(self) -> Sequence[JSON]:
        """The messages that go up."""
        if self.messages is None:
            return [{"role": "user", "content": self.prompt}]
        return [{"role": message.role, "content": message.content} for message in self.messages]
