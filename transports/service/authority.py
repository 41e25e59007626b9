"""Names that servers and pages go by, as headers and settings have them. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv6Address
from typing import Final, NamedTuple

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?", re.ASCII)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,31}", re.ASCII)


class Authority(NamedTuple):
    """`host[:port]`, normalised: lower case, IPv6 addresses in their short form and without brackets."""

    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Authority:
        """Read a Host header. Raises ValueError for all else: user info, paths, zone ids, ports over 65535."""
        match = _AUTHORITY.fullmatch(text)
        if match is None:
            raise ValueError(f"{text[:80]!r} isn't host or host:port")
        host, port = match[1].lower(), None if match[2] is None else int(match[2])
        if port is not None and port > 65535:
            raise ValueError(f"{text[:80]!r} has a port over 65535")
        return cls(IPv6Address(host[1:-1]).compressed if host.startswith("[") else host, port)


class Origin(NamedTuple):
    """An origin (RFC 6454 §4), normalised so that equal ones are equal: a default port is filled in."""

    scheme: str
    host: str
    port: int | None

    @classmethod
    def of(cls, scheme: str, authority: Authority) -> Origin:
        """Return the origin of what *scheme* finds at *authority*."""
        port = _DEFAULT_PORTS.get(scheme) if authority.port is None else authority.port
        return cls(scheme, authority.host, port)

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Read an Origin header (RFC 6454 §7). Raises ValueError for all else: `null`, lists, user info, paths."""
        scheme, separator, authority = text.partition("://")
        scheme = scheme.lower()
        if not separator or not _SCHEME.fullmatch(scheme):
            raise ValueError(f"{text[:80]!r} isn't scheme://host or scheme://host:port")
        return cls.of(scheme, Authority.parse(authority))

    def __str__(self) -> str:
        """Write it as browsers do."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS.get(self.scheme) else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


class AllowedHosts:
    """The names that a server goes by. Raises ValueError for a pattern that no Host could match."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._any = False
        self._names: set[str] = set()
        suffixes: list[str] = []
        for pattern in patterns:
            bare = pattern.removeprefix("*.")
            if pattern == "*":
                self._any = True
                continue
            # A Host has brackets around an IPv6 address; people leave them out where there is no port.
            name, port = Authority.parse(f"[{bare}]" if bare.count(":") > 1 and bare[0] != "[" else bare)
            if port is not None:
                raise ValueError(f"allowed host {pattern!r} has a port; names only, they hold for any port")
            if bare == pattern:
                self._names.add(name)
            else:
                suffixes.append(f".{name}")
        self._suffixes = tuple(suffixes)

    def __contains__(self, host: object) -> bool:
        """Tell whether a normalised name is one of them."""
        return self._any or host in self._names or (isinstance(host, str) and host.endswith(self._suffixes))
