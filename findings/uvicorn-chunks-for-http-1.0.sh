#!/usr/bin/env bash
# Software:  uvicorn 0.54.0 with httptools 0.9.0.
# Behaviour: a response without a length that answers an HTTP/1.0 request is sent with `transfer-encoding: chunked`, and
#            its chunks' lengths are in the body that such a client sees.
# Seen:      a GET with HTTP/1.0 gets "transfer-encoding: chunked" and a body that begins with "5\r\nhello".
# Expected:  RFC 9112, section 6.1: a server doesn't send Transfer-Encoding to a client of HTTP/1.0, for which the end
#            of the connection is the end of the body. Old proxies, and nginx without proxy_http_version, ask so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'uvicorn==0.54.0' 'httptools==0.9.0' 2>/dev/null
cat > "$folder/look.py" <<'PY'
import asyncio
import socket

import uvicorn


async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello", "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http="httptools", lifespan="off", log_level="error"))
    serving = asyncio.create_task(server.serve([listener]))
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    server.should_exit = True
    await serving
    head, _, body = answer.partition(b"\r\n\r\n")
    print(head.decode(), body, sep="\n")
    assert b"transfer-encoding: chunked" in head.lower() and body.startswith(b"5\r\nhello"), "the behaviour has changed"


asyncio.run(main())
PY
timeout 30 "$folder/venv/bin/python" "$folder/look.py"
