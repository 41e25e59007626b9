"""The server's log: a line an event, `time LEVEL logger what happened key=value …`."""

from __future__ import annotations

import json
import logging
import re
import time
from typing import Final

LEVELS: Final = ("debug", "info", "warning", "error")

# The last is uvicorn's message once more, with colours.
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_PLAIN = re.compile(r"[^\s\"=]+")
# 16 random bytes in URL-safe base64, which is what a session's id is, wherever it stands.
_ID = re.compile(r"(?<![A-Za-z0-9_-])([A-Za-z0-9_-]{4})[A-Za-z0-9_-]{18}(?![A-Za-z0-9_-])")


class KeyValues(logging.Formatter):
    """Writes a record's `extra` behind its message, and shortens whatever looks like a session's id.

    Whoever has an id may read the session, and libraries log what they like: uvicorn the paths of WebSockets,
    tracebacks the values in them.
    """

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    @staticmethod
    def converter(seconds: float | None = None) -> time.struct_time:
        """Write times in UTC."""
        return time.gmtime(seconds)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's
        """Return the line without a traceback."""
        extra = {key: value for key, value in vars(record).items() if key not in _OWN}
        return " ".join([super().formatMessage(record), *(f"{key}={_text(value)}" for key, value in extra.items())])

    def format(self, record: logging.LogRecord) -> str:
        """Return all of it."""
        return _ID.sub(r"\1…", super().format(record))


def _text(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def log_to_stderr(level: str) -> None:
    """Write what this process logs to stderr, from *level* on."""
    handler = logging.StreamHandler()
    handler.setFormatter(KeyValues())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    # Ours and the server's, not those of whatever else is loaded.
    for name in ("streamlanes", "uvicorn", "uvicorn.error"):
        logging.getLogger(name).setLevel(level.upper())
