#!/usr/bin/env bash
# Software:  httpx 0.28.1.
# Behaviour: a client reads the certificates when it is made, whatever it will ask for. Where SSL_CERT_FILE names a file
#            that isn't there, AsyncClient() raises FileNotFoundError without a file's name, also for a program that only
#            talks to http://127.0.0.1.
# Seen:      FileNotFoundError, filename None; a client with trust_env=False, which doesn't look there, is made.
# Expected:  certificates are read for https, and an error names the variable or the file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'httpx==0.28.1' 2>/dev/null
cat > "$folder/look.py" <<'PY'
import httpx

for trust in (True, False):
    try:
        httpx.AsyncClient(trust_env=trust)
    except FileNotFoundError as error:
        print(f"trust_env={trust}: {error!r}, filename {error.filename}")
        assert error.filename is None, "the behaviour has changed"
    else:
        print(f"trust_env={trust}: made")
        assert not trust, "the behaviour has changed"
PY
SSL_CERT_FILE="$folder/missing.pem" timeout 40 "$folder/venv/bin/python" "$folder/look.py"
