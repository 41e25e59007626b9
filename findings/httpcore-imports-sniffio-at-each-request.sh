#!/usr/bin/env bash
# Software:  httpcore 1.0.9 under httpx 0.28.1, where sniffio isn't installed (anyio 4.16.0 no longer brings it).
# Behaviour: httpcore's async client tries `import sniffio` again for each request and lock. An import that fails isn't
#            remembered by Python, so each try looks through all of sys.path once more.
# Seen:      20 requests over one kept-alive connection look for sniffio 20 times or more (here some 100 times).
# Expected:  whether an optional package is there is found out once.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'httpx==0.28.1' 'httpcore==1.0.9' 'anyio==4.16.0' 2>/dev/null
cat > "$folder/look.py" <<'PY'
import asyncio
import importlib.util
import sys

import httpx

tries = 0


class Counting:
    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        global tries
        tries += name == "sniffio"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()


async def main() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = "http://127.0.0.1:%d/" % server.sockets[0].getsockname()[1]
    async with httpx.AsyncClient(trust_env=False) as http:
        await http.get(url)
        sys.meta_path.insert(0, Counting)
        for _ in range(20):
            await http.get(url)
    server.close()


assert importlib.util.find_spec("sniffio") is None
try:
    asyncio.run(asyncio.wait_for(main(), 20))
except asyncio.IncompleteReadError:
    pass
print(f"20 requests looked for sniffio {tries} times")
assert tries >= 20, "the behaviour has changed"
PY
timeout 40 "$folder/venv/bin/python" "$folder/look.py" 2>/dev/null
