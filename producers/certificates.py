"""What the certificates of servers are checked with, where there are any: for http none are read.

httpx would read them for every client: findings/httpx-reads-certificates-for-http.sh.
"""

from __future__ import annotations

import os
import ssl
from functools import cache
from typing import Final

import httpx

VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@cache
def tls() -> ssl.SSLContext:
    """Return what checks certificates.

    Raises ValueError if the environment names a file or folder of them (VARIABLES) that can't be read.
    """
    try:
        return httpx.create_ssl_context()  # once: reading them takes longer than all else about a connection
    except OSError as error:  # an SSLError is one
        named = " and ".join(f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ)
        told = f"the certificates can't be read ({error}); the environment says {named or 'nothing'}"
        raise ValueError(told) from error


@cache
def no_tls() -> ssl.SSLContext:
    """Return what is never used, and takes no certificates to make."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
