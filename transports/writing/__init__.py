"""From a log to many sockets: one writer per stream and wire, which frames a batch once and hands out the same bytes.

`writer` reads the log and passes each batch on to all readers that are at its place; `reader` is one connection: its
place, its catching up when it was behind, its heartbeats. `ways` are the two ways out: ready bytes to our own server,
or the messages of ASGI's `send`. `waiting_polls` does for polls that wait what `writer` does for streams.
"""
