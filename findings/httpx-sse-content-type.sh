#!/usr/bin/env bash
# Software:  httpx-sse 0.4.3 with httpx 0.28.1.
# Behaviour: the media type is compared as text, though HTTP's have no case (RFC 9110 §8.3.1). For `Text/Event-Stream` it
#            raises SSEError, which is one of httpx's TransportErrors: a client that tries again after those takes an
#            answer that will never change for a network that failed.
# Seen:      `text/event-stream` is read; `Text/Event-Stream` raises SSEError, and isinstance(error, TransportError).
# Expected:  both are read; or an error of the answer's, not of the transport's.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'httpx==0.28.1' 'httpx-sse==0.4.3' 2>/dev/null
cat > "$folder/look.py" <<'PY'
import asyncio

import httpx
from httpx_sse import EventSource, SSEError


class Body(httpx.AsyncByteStream):
    async def __aiter__(self):
        yield b"data: 1\n\n"


async def read(media_type: str) -> object:
    response = httpx.Response(200, headers={"Content-Type": media_type}, stream=Body())
    try:
        return [event.data async for event in EventSource(response).aiter_sse()]
    except Exception as error:
        return error


async def main() -> None:
    usual, capital = await read("text/event-stream"), await read("Text/Event-Stream")
    print("text/event-stream:", usual)
    print("Text/Event-Stream:", repr(capital))
    print("a TransportError:", isinstance(capital, httpx.TransportError))
    assert usual == ["1"] and isinstance(capital, SSEError), "the behaviour has changed"
    assert isinstance(capital, httpx.TransportError), "the behaviour has changed"


asyncio.run(main())
PY
timeout 40 "$folder/venv/bin/python" "$folder/look.py"
