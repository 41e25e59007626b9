#!/usr/bin/env bash
# Software:  httpx-sse 0.4.3 with httpx 0.28.1.
# Behaviour: a byte order mark before the first line of an event stream is taken for a part of the first field's name.
#            The standard has a decoder drop one (https://html.spec.whatwg.org/multipage/server-sent-events.html), and
#            browsers do; here the first event's data is gone, and nothing is raised.
# Seen:      of two events, `data: first` and `data: second`, only the second one has its data.
# Expected:  both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'httpx==0.28.1' 'httpx-sse==0.4.3' 2>/dev/null
cat > "$folder/look.py" <<'PY'
import asyncio
import codecs

import httpx
from httpx_sse import aconnect_sse

BODY = codecs.BOM_UTF8 + b"data: first\n\ndata: second\n\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(HEAD % len(BODY) + BODY)
    await writer.drain()
    writer.close()


async def main() -> list[str]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = "http://127.0.0.1:%d/" % server.sockets[0].getsockname()[1]
    async with httpx.AsyncClient(trust_env=False) as http, aconnect_sse(http, "GET", url) as source:
        found = [event.data async for event in source.aiter_sse()]
    server.close()
    return found


found = asyncio.run(asyncio.wait_for(main(), 20))
print("data of the events:", found)
assert "second" in found and "first" not in found, "the behaviour has changed"
PY
timeout 40 "$folder/venv/bin/python" "$folder/look.py"
