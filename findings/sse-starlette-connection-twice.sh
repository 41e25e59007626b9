#!/usr/bin/env bash
# Software:  sse-starlette 3.7.0 on uvicorn 0.54.0 with httptools 0.9.0, Starlette 1.10.0.
# Behaviour: EventSourceResponse writes `Connection: keep-alive` into every response, a field of the connection (RFC 9110
#            §7.6.1) that only the server can know. To a client that has said `Connection: close`, or that speaks
#            HTTP/1.0, uvicorn adds its own, so that the answer says both (with h11 instead of httptools, only one is left).
# Seen:      connection: keep-alive
#            connection: close
# Expected:  `connection: close` alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    'sse-starlette==3.7.0' 'uvicorn==0.54.0' 'httptools==0.9.0' 'starlette==1.10.0' 2>/dev/null
cat > "$folder/look.py" <<'PY'
import asyncio

import uvicorn
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.routing import Route


async def events():
    yield {"data": "1"}


app = Starlette(routes=[Route("/", lambda request: EventSourceResponse(events()))])


async def main() -> None:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    writer.close()
    server.should_exit = True
    await serving
    said = [line for line in head.split("\r\n") if line.startswith("connection:")]
    print("\n".join(said))
    assert sorted(said) == ["connection: close", "connection: keep-alive"], "the behaviour has changed"


asyncio.run(asyncio.wait_for(main(), 30))
PY
timeout 40 "$folder/venv/bin/python" "$folder/look.py"
