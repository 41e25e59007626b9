"""The address of a stream, as the URL that a wire needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_SECURE = {"http": False, "ws": False, "https": True, "wss": True}


@dataclass(frozen=True, slots=True)
class Address:
    """A server's or a stream's URL in parts; what its query brings stays, unless the wire sets it."""

    secure: bool
    netloc: str
    path: str
    query: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read an http, https, ws or wss URL. Raises ValueError."""
        try:
            parts = urlsplit(url)
            usable = parts.scheme in _SECURE and bool(parts.hostname) and parts.port != 0
        except ValueError as error:
            raise ValueError(f"{url!r} isn't a URL: {error}") from error
        if not usable:
            raise ValueError(f"{url!r} isn't a server's URL; one looks like http://127.0.0.1:8000/sse/news")
        return cls(_SECURE[parts.scheme], parts.netloc, parts.path, tuple(parse_qsl(parts.query)))

    def http(self, path: str = "", **query: str) -> str:
        """Return the http or https URL, with *path* below it."""
        return self._url("https" if self.secure else "http", path, query)

    def websocket(self, **query: str) -> str:
        """Return the ws or wss URL."""
        return self._url("wss" if self.secure else "ws", "", query)

    def beside(self, route: str) -> Address:
        """Return the address that this stream (`…/LANE/ID`) has under another route than its lane.

        Raises ValueError if this isn't a stream's.
        """
        base, *names = self.path.rsplit("/", 2)
        if len(names) != 2 or not all(names):
            raise ValueError(f"{self.path!r} isn't a stream's path, which ends with LANE/ID")
        return replace(self, path=f"{base}/{route}/{names[1]}")

    def _url(self, scheme: str, path: str, query: dict[str, str]) -> str:
        merged = dict(self.query) | query
        below = f"{self.path.rstrip('/')}{path}" if path else self.path
        return urlunsplit((scheme, self.netloc, below, urlencode(merged, safe=":"), ""))
