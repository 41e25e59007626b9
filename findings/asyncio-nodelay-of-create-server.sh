#!/usr/bin/env bash
# Software:  CPython's asyncio (3.11 to 3.14), beside uvloop 0.23.0, on Linux.
# Behaviour: a listening socket that socket.create_server() made and asyncio is given (start_server(sock=...), as ASGI
#            servers do that bind by themselves) accepts connections without TCP_NODELAY. asyncio sets the option only
#            where the socket says that its protocol is TCP, and create_server() makes sockets whose protocol is 0.
# Seen:      asyncio, its own listener: nodelay 1; asyncio, create_server()'s: nodelay 0; uvloop, create_server()'s: 1.
# Expected:  asyncio's documentation says that TCP_NODELAY is set by default for all TCP connections. Without it, what a
#            server writes in two goes waits for a delayed acknowledgement, some 40 ms.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'uvloop==0.23.0' 2>/dev/null
cat > "$folder/look.py" <<'PY'
import asyncio
import socket

import uvloop


async def nodelay(listener: socket.socket | None) -> int:
    found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def look(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        found.set_result(int(bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))))
        writer.close()

    if listener is None:
        server = await asyncio.start_server(look, "127.0.0.1", 0)
    else:
        server = await asyncio.start_server(look, sock=listener)
    async with server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        value = await asyncio.wait_for(found, 10)
        writer.close()
    return value


def made() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


own = asyncio.run(nodelay(None))
given = asyncio.run(nodelay(made()))
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    other = runner.run(nodelay(made()))
print(f"asyncio, own listener: {own}; asyncio, create_server()'s: {given}; uvloop, create_server()'s: {other}")
assert (own, given, other) == (1, 0, 1), "the behaviour has changed"
PY
timeout 30 "$folder/venv/bin/python" "$folder/look.py"
