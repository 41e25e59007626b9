"""Limits and times, from arguments or the environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from streamlanes.producers.log.event_log import Retention
from streamlanes.producers.wire import HEARTBEAT
from streamlanes.transports.service.authority import AllowedHosts, Origin

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class Settings(BaseSettings):
    """What a server keeps to. Each may be set by `STREAMLANES_` and its name in capitals, and by an option of `serve`.

    Over a limit on numbers a request is answered 429 with Retry-After, over one on sizes 413. Raises ValueError
    (pydantic's ValidationError) for what can't be meant: a limit of 0, hosts with ports, origins with paths.
    """

    model_config = SettingsConfigDict(env_prefix="STREAMLANES_", frozen=True, extra="ignore")

    max_sessions: Count = Field(default=1_000, description="Sessions held at once, running and ended.")
    max_readers: Count = Field(default=10_000, description="Readers of one stream at once.")
    max_connections: Count = Field(default=20_000, description="Readers of all streams at once.")
    max_body_bytes: Count = Field(default=2 * 1024 * 1024, description="Bytes of a request's body.")
    max_event_bytes: Count = Field(default=1024 * 1024, description="Bytes of an event; a producer over it fails.")
    max_inbox: Count = Field(default=256, description="Messages to a producer that it hasn't taken yet.")
    max_message_bytes: Count = Field(default=64 * 1024, description="Bytes of a message to a producer.")
    max_poll_wait: Seconds = Field(default=60.0, description="Seconds that a poll may wait.")
    retain_events: Count = Field(default=Retention().max_events, description="Events kept of a stream.")
    retain_bytes: Count = Field(default=Retention().max_bytes, description="Bytes of data kept of a stream.")
    retain_seconds: Seconds = Field(default=Retention().max_age, description="Seconds that an event is kept.")
    session_ttl: Seconds = Field(
        default=300.0, description="Seconds without a reader after which a session is stopped and removed."
    )
    heartbeat: Seconds = Field(
        default=HEARTBEAT, description="Seconds of silence before a streaming lane sends a ping."
    )
    send_timeout: Seconds = Field(
        default=10.0, description="Seconds after which a reader is dropped that takes nothing of what is sent to it."
    )
    drain: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = Field(
        default=10.0, description="Seconds that running sessions may go on after SIGTERM."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("localhost", "127.0.0.1", "::1"),
        min_length=1,
        description="Names that the server may be addressed by; * is any.",
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Other origins whose pages may read (CORS), such as https://app.example.com."
    )

    @field_validator("allowed_hosts", "allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Read a list as the environment and the command line have it: with commas."""
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("allowed_hosts")
    @classmethod
    def _check_hosts(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        AllowedHosts(patterns)
        return patterns

    @field_validator("allowed_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        """No `*` either, which with cookies allowed would let any page read as its visitor."""
        for origin in origins:
            Origin.parse(origin)
        return origins

    @property
    def retention(self) -> Retention:
        """What is kept of each stream."""
        return Retention(
            max_events=self.retain_events,
            max_bytes=self.retain_bytes,
            max_age=self.retain_seconds,
            max_event_bytes=self.max_event_bytes,
        )
