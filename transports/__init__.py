"""Transport adapters: each turns an event log into bytes on a wire, mounted on a FastAPI app.

`sse`, `ws`, `poll` and `ndjson` are the lanes, a file each. They share `service` (sessions and shared streams),
`follow` (the read loop of the streaming lanes), `framing` (bytes out, no I/O) and `problems` (errors before the first
byte). `app` puts them together, `mounting` puts that into somebody's own app, `server` runs it under uvicorn.
"""

from streamlanes.transports.app import create_app
from streamlanes.transports.mounting import mount
from streamlanes.transports.service import StreamService
from streamlanes.transports.sessions import SharedStream
from streamlanes.transports.settings import Settings
from streamlanes.transports.transport import Transport, discover

__all__ = ["Settings", "SharedStream", "StreamService", "Transport", "create_app", "discover", "mount"]
