"""Transport adapters: each turns an event log into bytes on a wire, mounted on a FastAPI app.

`sse`, `ws`, `poll` and `ndjson` are the lanes, a file each, and `transport` what a lane is; in `baselines/` the same
wires as most services write them. They share `follow` (the read loop of the streaming lanes), `framing` (bytes out, no
I/O), `parameters` (of their routes) and `problems` (errors before the first byte). `service/` has the sessions and
shared streams that they read, `door/` decides who gets in, `server/` puts all together into an app and runs it.
Imports point from `server/` to the lanes, from them to `door/`, and from there to `service/`.
"""

from streamlanes.transports.server.app import create_app
from streamlanes.transports.server.mounting import mount
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.service.sessions import SharedStream
from streamlanes.transports.service.settings import Settings
from streamlanes.transports.transport import Transport, discover

__all__ = ["Settings", "SharedStream", "StreamService", "Transport", "create_app", "discover", "mount"]
