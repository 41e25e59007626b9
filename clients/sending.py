"""The way up, from a client to its stream's producer."""

from __future__ import annotations

from typing import Protocol

import httpx

from streamlanes.clients.address import Address
from streamlanes.clients.http import MAX_PROBLEM, PROBLEM, beginning, new_client, translated
from streamlanes.clients.options import Options
from streamlanes.clients.refusals import not_taken
from streamlanes.producers.wire import SEND


class Sender(Protocol):
    """Takes what is to go up; a wire's part of `EventStream.send`."""

    async def send(self, text: str) -> None:
        """Send *text*, one JSON value, at most once.

        Raises ConnectionLost if it may not have arrived, and what else keeps it from being taken.
        """
        ...

    async def close(self) -> None:
        """Close what sending has opened."""
        ...


class Posts:
    """For wires that only go down: a `POST /send/{id}` each, over connections that are kept alive."""

    def __init__(self, address: Address, options: Options) -> None:
        """Prepare to send to the stream at *address*, which is that of its lane."""
        self._address = address
        self._options = options
        self._client: httpx.AsyncClient | None = None

    async def send(self, text: str) -> None:
        url = self._address.beside(SEND).http()
        if self._client is None:
            self._client = new_client(url, self._options)
        headers = {"Content-Type": "application/json", "Accept": PROBLEM}
        with translated():
            async with self._client.stream("POST", url, content=text.encode(), headers=headers) as response:
                body = await beginning(response, MAX_PROBLEM)
        if response.status_code != httpx.codes.ACCEPTED:
            raise not_taken(
                response.status_code,
                body=body,
                retry_after=response.headers.get("Retry-After"),
                location=response.headers.get("Location"),
            )

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with translated():
                await client.aclose()
